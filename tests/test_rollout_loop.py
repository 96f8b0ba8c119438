"""A rollout through the command line and a real server: a change in shadow, its decision, a rollback that is proven."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.test_loop import Shop, until
from touchline.predictions import OpenExampleRecords

pytestmark = pytest.mark.services


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    edit(shop, 'Gate("accuracy", at_least=0.6), Gate.improves("log_loss")]', 'Gate("accuracy", at_least=0.6)]')
    edit(shop, "    clock=", "    rollout=Rollout(min_days=0, longest_days=300),\n    clock=")
    edit(shop, "Project, SampleClock", "Project, Rollout, SampleClock")
    yield shop
    subprocess.run([*shop.command, "stop"], cwd=shop.place, env=shop.environment, capture_output=True, timeout=300)


def edit(shop: Shop, old: str, new: str) -> None:
    path = shop.place / "projects" / "shop" / "project.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_change_is_rolled_out_beside_production_and_a_rollback_is_proven(shop: Shop) -> None:
    shop.run("up")
    assert "no rollout yet" in shop.run("rollout", "status")
    edit(shop, "rolling_mean(10", "rolling_mean(4")
    assert "rollout 1 has begun" in shop.run("train")
    until(lambda: "rollout" in model(shop))
    examples = shop.ask("/predict", [{"example_id": name} for name in open_visits(shop)])["predictions"]
    assert {one["version"] for one in examples} == {1}
    until(lambda: status(shop)["left_out"]["open"] == len(examples))
    shop.run("clock", "advance", "2024-06-05T00:00:00Z")
    shop.run("ingest")
    found = status(shop)
    assert found["units"] == len(examples)
    assert found["sentence"].startswith("Undecided: version 2 has ")
    assert shop.ask("/api/rollout")["rollout"]["sentence"] == found["sentence"]
    assert "another version in Staging would end it" in refuse_a_third(shop)

    shop.run("rollout", "abort", code=2)  # needs a reason
    shop.run("rollout", "abort", "--reason", "to promote it by hand")
    assert [event["kind"] for event in status(shop)["events"]] == ["start", "aborted", "probe"]
    shop.run("models", "promote", "2", "--now", "--reason", "by hand")
    until(lambda: model(shop).get("version") == 2)
    edit(shop, "project = Project(", "project = Projct(")  # a declaration that does not load keeps nobody from it
    told = shop.run("models", "rollback", "--reason", "worse")
    assert "unused features stay online until the next promotion" in told
    edit(shop, "project = Projct(", "project = Project(")
    assert "verified: 8 requests in a row were answered by release" in told
    assert shop.ask("/predict", {"example_id": open_visits(shop)[0]})["version"] == 1
    history = shop.json("rollout", "history")
    assert [len(one["events"]) for one in history] == [3]


def refuse_a_third(shop: Shop) -> str:
    edit(shop, "rolling_mean(4", "rolling_mean(5")
    told = shop.run("train")
    edit(shop, "rolling_mean(5", "rolling_mean(4")
    return told


def status(shop: Shop) -> Any:
    return shop.json("rollout", "status")


def model(shop: Shop) -> Any:
    try:
        return shop.ask("/health")["models"]["shop"]
    except httpx.HTTPError:
        return {}


def open_visits(shop: Shop) -> list[str]:
    database = shop.database()
    found = [one.example_id for one in OpenExampleRecords(database, "shop").read(limit=8)]
    database.close()
    return found
