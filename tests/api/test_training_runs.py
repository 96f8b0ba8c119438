"""A training asked for over HTTP: one at a time, one for each key, seen while it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Timer

import pytest
from httpx import Client

from tests.api.builders import a_client, a_home, write_project
from touchline.automation import PipelineRuns, ScheduleRecords
from touchline.clock import SystemClock
from touchline.project import load_project, project_clock
from touchline.storage import hold_lease

CLOCK = SystemClock()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A shop that was never trained; its clock stands, as after `touchline up`."""
    folder = write_project(tmp_path)
    with closing(a_home(tmp_path).database) as database:
        project_clock(load_project(folder, base=tmp_path).project, database)
    return tmp_path


@pytest.fixture
def client(place: Path) -> Iterator[Client]:
    with a_client(place) as client:
        yield client


@pytest.fixture
def runs(place: Path) -> Iterator[PipelineRuns]:
    with closing(a_home(place).database) as database:
        yield PipelineRuns(database, "shop")


@pytest.mark.services
def test_a_training_is_asked_for_once_for_each_key_and_one_at_a_time(client: Client, runs: PipelineRuns) -> None:
    asked = client.post("/api/training/automated/run", json={"reason": "new prices"}, headers={"Idempotency-Key": "a"})
    assert (asked.status_code, asked.json()["status"], asked.json()["reason"]) == (202, "queued", "new prices")
    again = client.post("/api/training/automated/run", json={"reason": "new prices"}, headers={"Idempotency-Key": "a"})
    assert (again.status_code, again.json()["id"]) == (202, asked.json()["id"])
    reused = client.post("/api/training/automated/run", json={"force": True}, headers={"Idempotency-Key": "a"})
    assert (reused.status_code, asked.json()["id"] in reused.json()["detail"]) == (422, True)
    empty = client.post("/api/training/automated/run", json={}, headers={"Idempotency-Key": ""})
    assert empty.status_code == 422
    other = client.post("/api/projects/shop/training/automated/run", json={}, headers={"Idempotency-Key": "b"})
    assert other.status_code == 409
    assert asked.json()["id"] in other.json()["detail"]
    assert runs.end(asked.json()["id"], "done", "", clock=CLOCK)
    assert client.post("/api/training/automated/run").status_code == 202  # without a body


@pytest.mark.services
def test_the_status_says_what_waits_and_what_comes_next(client: Client, place: Path) -> None:
    status = client.get("/api/training/automated/status").json()
    assert (status["waiting"], status["schedule"], status["next_at"]) == ([], "0 0 * * 0", "2024-06-02T00:00:00Z")
    client.post("/api/training/automated/run", json={})
    with closing(a_home(place).database) as database:
        ScheduleRecords(database, "shop").pause("retrain", actor="ann", reason="moving", clock=CLOCK)
    status = client.get("/api/training/automated/status").json()
    assert [one["status"] for one in status["waiting"]] == ["queued"]
    assert (status["is_paused"], status["next_at"]) == (True, None)
    assert "by ann (moving): touchline schedule resume retrain -p shop" in status["sentence"]
    health = client.get("/api/system/health").json()
    assert "retrain is paused since" in health["sentence"]
    assert client.get("/api/overview").json()["projects"][0]["next_training_at"] is None


@pytest.mark.services
def test_a_run_is_followed_to_its_end(client: Client, runs: PipelineRuns, place: Path) -> None:
    run_id = client.post("/api/training/automated/run", json={}).json()["id"]
    with (
        closing(a_home(place).database) as database,
        hold_lease(database, "shop:pipeline", holder="a", ttl=timedelta(minutes=1), clock=CLOCK) as lease,
    ):
        record = runs.begin(runs.find(run_id), code_hash="c", lease=lease, clock=CLOCK)
        with record.step("ingest") as output:
            output["visits"] = "new"
        ending = Timer(1.5, record.finish, ("done", {"version": 1, "is_new": False}))
        ending.start()
        with client.stream("GET", f"/api/training/runs/{run_id}/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            seen = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]
        ending.join()
    assert [one["run"]["status"] for one in seen] == ["running", "done"]
    assert (seen[-1]["run"]["version"], seen[-1]["run"]["is_new"]) == (1, False)
    found = client.get(f"/api/training/runs/{run_id}").json()
    assert seen[-1] == found  # the same writer, instants in Z
    assert [(one["name"], one["status"], one["output"]) for one in found["steps"]] == [
        ("ingest", "done", {"visits": "new"})
    ]


@pytest.mark.services
def test_wrong_requests_are_answered_with_what_is_wrong(client: Client) -> None:
    assert client.get("/api/training/runs/nothing").status_code == 404
    assert client.get("/api/training/runs/nothing/events").status_code == 404
    refused = client.post("/api/training/automated/run", json={"forse": True})
    assert refused.status_code == 422
    assert "forse" in refused.text
    assert client.post("/api/projects/nothing/training/automated/run", json={}).status_code == 404
