"""What the API tells of the system, the data and the model."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from httpx import Client

from tests.api.builders import NOW, a_client, a_home
from tests.serving.builders import wait_for
from touchline.automation import decide_due
from touchline.http import make_key
from touchline.monitoring import DriftVerdict, PerformanceReports, PerformanceVerdict, Window
from touchline.project import advance_clock, load_project, project_clock
from touchline.storage.tables import drift_reports

pytestmark = pytest.mark.services

ROUTES = ("system/health", "data/freshness", "model/health", "feature-store/stats", "feature-store/customers")


def parts(answer: dict[str, object]) -> dict[str, str]:
    return {part["name"]: part["status"] for part in answer["components"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize("route", ROUTES)
def test_the_scoped_form_says_what_the_unscoped_one_says_of_the_default_project(client: Client, route: str) -> None:
    unscoped, scoped = client.get(f"/api/{route}"), client.get(f"/api/projects/shop/{route}")
    assert (unscoped.status_code, scoped.status_code) == (200, 200)
    assert set(unscoped.json()) == set(scoped.json())


def test_every_part_that_works_is_ok(client: Client) -> None:
    answer = client.get("/api/system/health").json()
    assert (answer["status"], answer["project"]) == ("ok", "shop")
    expected = {"database", "objects", "online store", "mlflow", "scheduler", "disk", "prediction log", "model shop"}
    assert parts(answer) == dict.fromkeys(expected, "ok")
    again = client.get("/api/projects/shop/system/health").json()
    assert [one["since"] for one in again["components"]] == [one["since"] for one in answer["components"]]
    assert all(one["since"] for one in answer["components"])


def test_due_work_that_nobody_does_degrades_the_scheduler_alone(shop: Path, client: Client) -> None:
    home = a_home(shop)
    project = load_project(shop / "projects" / "shop", base=shop).project
    stores = home.stores(project_clock(project, home.database))
    decide_due(project, stores)
    advance_clock(project, home.database, to=NOW + timedelta(days=7))
    # The server reads the clock anew within a second.
    wait_for(lambda: client.get("/api/system/health").json()["status"] == "degraded", seconds=20)
    answer = client.get("/api/system/health").json()
    assert (parts(answer)["scheduler"], parts(answer)["database"]) == ("degraded", "ok")
    (scheduler,) = [one for one in answer["components"] if one["name"] == "scheduler"]
    assert "retrain is due since 2024-06-02 00:00 and nobody has decided it" in scheduler["detail"]
    decide_due(project, stores)
    wait_for(lambda: parts(client.get("/api/system/health").json())["scheduler"] == "ok", seconds=20)
    home.database.close()


def test_a_release_that_does_not_load_is_told_and_the_server_goes_on(shop: Path) -> None:
    (bundle,) = (shop / "home" / "objects" / "shop" / "releases").glob("*/lineage.json")
    bundle.write_text("{}")
    with a_client(shop) as client:
        answer = client.get("/api/system/health").json()
        model = client.get("/api/model/health").json()
    assert (answer["status"], parts(answer)["model shop"], parts(answer)["database"]) == (
        "unavailable",
        "unavailable",
        "ok",
    )
    assert model["status"] == "unavailable"
    assert "lineage.json" in model["reasons"][0]


def test_each_source_tells_its_age(client: Client) -> None:
    (visits,) = client.get("/api/data/freshness").json()["sources"]
    assert (visits["source"], visits["rows"], visits["last_status"], visits["is_stale"]) == (
        "visits",
        640,
        "new",
        False,
    )
    assert visits["newest_event"] == "2024-05-31T16:00:00Z"
    assert visits["max_age_seconds"] == 7 * 86400


def test_the_model_tells_how_it_was_judged(client: Client, shop: Path) -> None:
    answer = client.get("/api/model/health").json()
    assert (answer["status"], answer["reasons"], answer["drift"]) == ("ok", [], None)
    production = answer["production"]
    assert (production["version"], production["semantic_version"], production["name"]) == (1, "1.0.0", "logistic")
    losses = {metric["name"]: metric for metric in production["metrics"]}
    assert losses["log_loss"]["low"] < losses["log_loss"]["value"] < losses["log_loss"]["baseline"]
    assert answer["log"] == {"predictions": 0, "last_answered_at": None, "outcomes": 0}
    assert shop.exists()


def test_drift_is_a_reason_to_look(shop: Path, client: Client) -> None:
    verdict = DriftVerdict(NOW, "drift", Window("", "01"), 200, 0, "Drift: 1 of 3 columns differ.")
    database = a_home(shop).database
    with database.begin() as connection:
        row = {"id": "01", "project": "shop", "at": NOW, "release_id": "shop-1", "verdict": verdict.to_json()}
        connection.execute(drift_reports.insert().values(row))
    database.close()
    answer = client.get("/api/model/health").json()
    assert (answer["status"], answer["reasons"]) == ("degraded", ["Drift: 1 of 3 columns differ."])


def test_the_overview_and_the_alerts_say_that_a_loss_is_not_watched(shop: Path, client: Client) -> None:
    (before,) = client.get("/api/overview").json()["projects"]
    assert before["loss"]["sentence"].startswith("The loss is not watched yet: no check of this version has run")
    database, release = a_home(shop).database, before["release"]
    figures = PerformanceVerdict(NOW, release, "unwatched", "…", "log_loss", 90, 0, 0, 0, 0, 1.0, 60.0)
    PerformanceReports(database, "shop").add(replace(figures, unwatched="its table has no time."), wall=NOW)
    database.close()
    sentence, overview = "The loss is not watched: its table has no time.", client.get("/api/overview").json()
    assert overview["sentence"] == "1 of 1 project is healthy; the loss of shop is not watched."
    assert overview["projects"][0]["loss"] == {"state": "unwatched", "sentence": sentence}
    assert client.get("/api/model/health").json()["loss_watch"] == sentence
    assert client.get("/api/projects/shop/alerts").json()["sentence"] == f"No incident is open. {sentence}"


def test_an_unknown_project_is_a_problem_that_names_its_neighbour(client: Client) -> None:
    answer = client.get("/api/projects/shpo/model/health")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "Did you mean 'shop'?" in answer.json()["detail"]
    assert answer.json()["correlation_id"]


def test_the_projects_are_listed(client: Client) -> None:
    (shop,) = client.get("/api/projects").json()
    assert (shop["name"], shop["is_default"]) == ("shop", True)
    assert shop["release"].startswith("shop-1-")


def test_reading_needs_a_viewer_and_pushing_an_operator(shop: Path) -> None:
    database = a_home(shop).database
    viewer = make_key(database, "v", "viewer", now=NOW)
    operator = make_key(database, "o", "operator", now=NOW + timedelta(seconds=1))
    database.close()
    body = {"rows": [{"customer": "c/1", "usual": 3.5, "last_visit": None}]}
    with a_client(shop) as client:
        assert client.get("/api/model/health").status_code == 401
        assert client.get("/api/model/health", headers={"X-API-Key": viewer}).status_code == 200
        refused = client.post("/api/features/spending", json=body, headers={"X-API-Key": viewer})
        assert (refused.status_code, refused.json()["needed"]) == (403, "operator")
        assert client.post("/api/features/spending", json=body, headers={"X-API-Key": operator}).status_code == 200


def test_a_declaration_that_cannot_be_loaded_is_its_authors_problem(shop: Path) -> None:
    (shop / "projects" / "shop" / "project.py").write_text("nonsense")
    with a_client(shop) as client:
        answer = client.get("/api/system/health").json()
        assert {name for name, status in parts(answer).items() if status != "ok"} == {"scheduler"}
        answer = client.get("/api/data/freshness")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:touchline:problem:declaration-broken")
