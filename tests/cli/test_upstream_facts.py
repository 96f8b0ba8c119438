"""The cause of a loss before outcomes are there, and what happened upstream beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Cli, a_shop
from tests.cli.served_rows import rows_of, serve
from touchline.automation.production.release import open_production
from touchline.automation.production.upstream_facts import upstream_facts
from touchline.cli.opening import open_project
from touchline.errors import SourceFileMissing


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Cli]:
    with a_shop(tmp_path) as cli:
        cli.run("train")
        yield cli


def facts(days_ago: int = 0) -> str:
    """The facts of an incident that began so many days ago."""
    opened = open_project("shop")
    onset_on = (opened.stores.clock.now() - timedelta(days=days_ago)).date().isoformat()
    production = open_production(opened.project, opened.stores)
    return "\n".join(upstream_facts(opened.project, opened.stores, production, onset_on=onset_on))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_each_kind_of_upstream_fact_is_told_near_the_onset_and_not_long_after(shop: Cli) -> None:
    visits, project = shop.place / "visits.csv", shop.place / "projects" / "shop" / "project.py"
    assert "version 1 entered Production" in facts()
    with visits.open("a") as table:
        table.write("bad,2024-05-31T09:00:00Z,c1,-5\n")
    shop.run("ingest")
    assert "source visits: 1 of 1601 rows went to quarantine (touchline data quarantine visits)" in facts()

    edit(
        project,
        "    spent: float | None = Field(None, ge=0)",
        "    spent: float | None = Field(None, ge=0)\n    till: int = 1",
    )
    shop.run("ingest")
    assert "source visits: the schema changed: column till is new" in facts()

    visits.rename(visits.with_suffix(".away"))
    with pytest.raises(SourceFileMissing):
        shop.run("ingest")
    assert "source visits: the ingest ended as 'failed': shop.visits: no file matches" in facts()
    visits.with_suffix(".away").rename(visits)
    edit(project, 'key="visit_id",', 'key="visit_id", max_age=timedelta(microseconds=1),')
    assert "source visits was late" in facts()
    assert facts(days_ago=60) == ""


def test_before_outcomes_the_cause_is_that_of_the_estimated_loss(shop: Cli) -> None:
    opened = open_project("shop")
    vectors, labels = rows_of(opened, yes=150, no=150)
    # Every customer looks like one of whom nobody knows whether they buy.
    serve(opened, np.full_like(vectors, 50.0), labels)
    found = shop.json("monitor", "cause", "-p", "shop")
    assert found["is_estimated"]
    assert (found["causes"][0]["kind"], found["causes"][0]["name"]) == ("column", "usual")
    assert "estimated log_loss (valid only without concept change) went from" in found["message"]
    assert any("version 1 entered Production" in fact for fact in found["facts"])
    printed = shop.run("monitor", "cause", "-p", "shop")
    assert "upstream: " in printed
    assert json.dumps(found["facts"][0])[1:-1] in printed
