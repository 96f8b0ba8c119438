"""`/api/alerts`: incidents over HTTP, and who may silence them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from httpx import Client

from tests.api.builders import a_home
from touchline.alerts import Alerting, Observation, report_state
from touchline.clock import SystemClock

pytestmark = pytest.mark.services


@pytest.fixture
def incident(shop: Path) -> str:
    home = a_home(shop)
    observation = Observation("stale_data", "visits", is_wrong=True, happened="visits is old", next_command="ingest")
    opened = report_state(Alerting(home.database, "shop", None, SystemClock()), observation)
    home.database.close()
    assert opened is not None
    return opened.id


def test_incidents_are_listed_shown_and_silenced(client: Client, incident: str) -> None:
    answer = client.get("/api/projects/shop/alerts").json()
    (listed,) = answer["incidents"]
    assert answer["sentence"] == f"1 open: {listed['title']}."
    assert (listed["id"], listed["status"], listed["silence"]) == (incident, "open", None)
    assert listed["signals"][0]["happened"] == "visits is old"
    assert client.get(f"/api/alerts/{incident[-6:]}").json()["id"] == incident
    end = SystemClock().wall() + timedelta(hours=4)
    body = {"reason": "known", "ends_at": end.isoformat()}
    silenced = client.post(f"/api/projects/shop/alerts/{incident}/silence", json=body)
    silence = silenced.json()["silence"]
    assert (silence["reason"], silence["actor"]) == ("known", "local user")
    assert client.post(f"/api/alerts/{incident}/silence/lift", json={"reason": " "}).status_code == 422
    lifted = client.post(f"/api/projects/shop/alerts/{incident}/silence/lift", json={"reason": "mended"})
    assert (lifted.status_code, lifted.json()["silence"]) == (200, None)
    journal = client.get(f"/api/alerts/{incident}").json()["silences"]
    assert [(one["act"], one["reason"], one["actor"]) for one in journal] == [
        ("lifted", "mended", "local user"),
        ("silenced", "known", "local user"),
    ]
    again = client.post(f"/api/alerts/{incident}/silence/lift", json={"reason": "mended"})
    assert (again.status_code, "no silence of its cause is in force" in again.text) == (422, True)


def test_a_wrong_request_is_refused_with_the_reason(client: Client, incident: str) -> None:
    assert client.get("/api/alerts/ZZZZZZ9").status_code == 404
    body = {"reason": "known", "ends_at": "2020-01-01T00:00:00Z"}
    refused = client.post(f"/api/alerts/{incident}/silence", json=body)
    assert refused.status_code == 422
    assert "is not after now" in refused.text
    assert client.post(f"/api/alerts/{incident}/silence", json={"reason": "known"}).status_code == 422


def test_nobody_silences_in_the_name_of_another(client: Client, incident: str) -> None:
    end = (SystemClock().wall() + timedelta(hours=4)).isoformat()
    refused = client.post(f"/api/alerts/{incident}/silence", json={"reason": "known", "ends_at": end, "actor": "ann"})
    assert (refused.status_code, client.get("/api/alerts").json()["incidents"][0]["silence"]) == (422, None)


def test_sentences_name_the_project_in_their_next_step(client: Client) -> None:
    predictions = client.get("/api/projects/shop/predictions").json()["sentence"]
    assert predictions == "No prediction is logged yet: send one to /predict."


def test_a_wrong_field_is_explained_with_the_value_and_without_words_of_the_library(
    client: Client, incident: str
) -> None:
    body = {"reason": "", "ends_at": "2024-06-01T00:00:00Z"}
    detail = client.post(f"/api/alerts/{incident}/silence", json=body).json()["detail"]
    assert detail.startswith("reason: should have at least 1 character; found: ''")
