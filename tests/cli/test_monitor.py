"""The checks of the model in Production, as a person runs them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sqlalchemy as sa

from tests.cli.conftest import Cli
from touchline.cli.opening import open_project
from touchline.errors import FolderMissing, ReasonMissing, RecalibrationRefused, UnknownName
from touchline.predictions import Outcome, OutcomeRecords
from touchline.registry import read_version
from touchline.storage.tables import predictions
from touchline.storage.ulids import ulid_at


@pytest.fixture
def settled(cli: Cli) -> Cli:
    """A log of 120 predictions of the release in Production, half of them with an outcome that is as predicted."""
    stores = open_project("shop").stores
    release = read_version(stores, "shop", "Production").release_id
    now = stores.clock.now()
    rng = np.random.default_rng(1)
    rows = []
    for at in range(120):
        cutoff = now.replace(month=5, day=1 + at // 12, minute=at % 12)
        p = float(rng.uniform(0.05, 0.95))
        rows.append(
            {
                "prediction_id": ulid_at(cutoff),
                "request_id": "r",
                "project": "shop",
                "release_id": release,
                "role": "answer",
                "variant": "candidate" if at % 4 == 0 else "production",
                "probability": 1.0,
                "override": False,
                "example_id": f"monitored-{at}",
                "entity_keys": {"customer": "c1"},
                "cutoff": cutoff,
                "answered_at": cutoff,
                "views": {},
                "inputs": {},
                "vector": np.array([100 * p], dtype="<f8").tobytes(),
                "output": {"probabilities": {"no": 1 - p, "yes": p}},
            }
        )
    with stores.database.begin() as connection:
        connection.execute(sa.delete(predictions))
        connection.execute(predictions.insert(), rows)
    outcomes = [
        Outcome("yes" if rng.random() < row["output"]["probabilities"]["yes"] else "no", row["example_id"])
        for row in rows[:110]
    ]
    OutcomeRecords(stores.database, "shop").record(outcomes, source="api", now=now.replace(month=5, day=20))
    return cli


def test_performance_is_evaluated_beside_the_test_window(settled: Cli) -> None:
    verdict = settled.json("monitor", "performance", "-p", "shop")
    assert verdict["rows"] == 110
    assert verdict["state"] in ("stable", "degraded")
    loss = next(metric for metric in verdict["metrics"] if metric["name"] == "log_loss")
    assert loss["test"] is not None
    printed = settled.run("monitor", "performance", "-p", "shop", "--slice", "variant=production")
    production = next(one for one in verdict["slices"]["slices"] if one["value"] == "production")
    assert production["message"] in printed
    assert "log_loss" in printed
    with pytest.raises(UnknownName, match="There is no slice 'plan=pro'"):
        settled.run("monitor", "performance", "-p", "shop", "--slice", "plan=pro")


def test_the_cause_says_that_no_column_explains_the_loss(settled: Cli) -> None:
    settled.run("monitor", "performance", "-p", "shop")
    printed = settled.run("monitor", "cause", "-p", "shop")
    assert "No cause found: log_loss went from" in printed
    assert "upstream: " in printed


def test_the_cause_says_what_is_missing_while_there_are_too_few_rows(settled: Cli) -> None:
    with open_project("shop").stores.database.begin() as connection:
        late = [f"monitored-{at}" for at in range(50, 120)]
        connection.execute(sa.delete(predictions).where(predictions.c.example_id.in_(late)))
    document = settled.json("monitor", "cause", "-p", "shop")
    missing = "50 of 100 mature predictions with an outcome are there; wait for more."
    assert (document["missing"], document["message"]) == (missing, f"Not enough data to explain a loss: {missing}")
    assert missing not in document["facts"]


def test_a_recalibration_without_predictions_says_so(settled: Cli) -> None:
    with open_project("shop").stores.database.begin() as connection:
        connection.execute(sa.delete(predictions))
    with pytest.raises(RecalibrationRefused, match=r"recalibrated: 0 predictions and \d+ test rows are there"):
        settled.run("monitor", "recalibrate", "-p", "shop")


def test_a_loss_without_an_incident_asks_for_no_training(settled: Cli) -> None:
    message = settled.json("monitor", "cause", "-p", "shop")["message"]
    assert message.endswith("see drift (touchline monitor drift -p shop) and wait for more outcomes.")


def test_the_report_begins_with_the_verdict_and_needs_nothing_beside_it(settled: Cli) -> None:
    page = settled.place / "report.html"
    document = json.loads(settled.run("monitor", "report", "-p", "shop", "--out", str(page), "--json"))
    assert next(iter(document)) == "verdict"
    html = page.read_text(encoding="utf-8")
    assert html.index("Verdict") < html.index(document["verdict"][:40]) < html.index("<svg")
    assert "<h2>Metrics</h2>" in html
    assert "http-equiv" not in html
    assert "<script" not in html


@pytest.mark.scale
@pytest.mark.filterwarnings("ignore")
def test_the_windows_of_a_drift_check_are_also_a_page_of_evidently(settled: Cli) -> None:
    page = settled.place / "evidently.html"
    assert settled.json("monitor", "drift", "-p", "shop", "--evidently", str(page))["rows"] == 120
    assert '"column_name": "usual"' in page.read_text(encoding="utf-8")


def test_a_report_without_a_folder_is_refused_before_anything_is_checked(settled: Cli) -> None:
    for out in (settled.place / "no" / "report.html", settled.place):
        with pytest.raises(FolderMissing):
            settled.run("monitor", "report", "-p", "shop", "--out", str(out))


def test_a_blank_reason_is_no_reason(settled: Cli) -> None:
    with pytest.raises(ReasonMissing):
        settled.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "  ")
