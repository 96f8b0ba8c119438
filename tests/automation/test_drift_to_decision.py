"""A change in the world leads by itself to an incident with its cause, a training, a gated version and a decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from tests.automation.days import Days, with_rows
from tests.samples import SAMPLES, a_small_sample
from touchline.ingest import FrameProvider
from touchline.monitoring import Monitoring
from touchline.project import Daily, Retrain, load_project
from touchline.registry import StageChange
from touchline.storage.tables import predictions

UNITS_CHANGE = datetime(2008, 11, 1, tzinfo=UTC)
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
BUYERS_CHANGE = FIRST_DAY + timedelta(days=100)
LABEL_DELAY = timedelta(days=14)

LEADS = """
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from touchline import Contract, Gate, Project, Source, Training, classification, examples
from touchline.ingest import CsvFiles


class Person(Contract):
    person_id: int
    at: datetime
    ppersaut: int
    minkgem: int
    mkoopkla: int
    purchase: Literal["No", "Yes"] | None = None


people = Source(
    name="people", contract=Person, key="person_id", event_time="at", known_after=timedelta(days=14),
    hidden_until_known=("purchase",), provider=CsvFiles("people.csv"),
)


@examples(source=people)
def leads(people: pl.LazyFrame) -> pl.LazyFrame:
    return people.select(
        "ppersaut", "minkgem", "mkoopkla", example_id=pl.col("person_id").cast(pl.String), cutoff="at",
        label="purchase", label_timestamp="event_timestamp",
    )


project = Project(
    name="leads_stream", sources=[people],
    task=classification(examples=leads, classes=["No", "Yes"], inputs=["ppersaut", "minkgem", "mkoopkla"]),
    training=Training(candidates=["logistic"], test="30d", validation=0.2, calibration=["none"], blend=False),
    gates=[Gate("pr_auc", at_least=0.05)],
)
"""


def tripled_goals(matches: pl.DataFrame) -> pl.DataFrame:
    """From a day on the source counts three for each goal: who has won stays, the teams' strengths do not."""
    goals = [
        pl.when(pl.col("kickoff") >= UNITS_CHANGE).then((pl.col(name) * 3).clip(upper_bound=30)).otherwise(name)
        for name in ("home_goals", "away_goals")
    ]
    return matches.with_columns(goals[0].alias("home_goals"), goals[1].alias("away_goals"))


def people_over_days() -> pl.DataFrame:
    """The people of the sample, 36 a day; from a day on a third of them buy, whatever the columns say."""
    whole = SAMPLES["leads"]
    source = load_project(whole.folder, base=whole.folder.parents[1]).project.sources[0]
    assert isinstance(source.provider, FrameProvider)
    people, _ = source.provider.function()
    at = FIRST_DAY + pl.duration(days=pl.int_range(pl.len()) // 36, hours=8)
    people = people.select("person_id", "ppersaut", "minkgem", "mkoopkla", "purchase", at=at)
    buys = (pl.col("at") >= BUYERS_CHANGE) & (pl.col("person_id") % 3 == 0)
    return people.with_columns(purchase=pl.when(buys).then(pl.lit("Yes")).otherwise("purchase"))


def decisions(days: Days, version: int) -> list[StageChange]:
    """What the journal has of a version."""
    return [one for one in days.stores.journal.history(days.context.project.name) if one.version == version]


def require_made_before_cutoff(days: Days) -> None:
    with days.stores.database.connect() as connection:
        rows = connection.execute(sa.select(predictions.c.answered_at, predictions.c.cutoff)).all()
    assert rows
    assert all(answered <= cutoff for answered, cutoff in rows)


@pytest.mark.scale
def test_a_changed_unit_in_football(tmp_path: Path) -> None:
    opened = a_small_sample("football", tmp_path)
    policy = Retrain(schedule=None, on_drift=True)
    drift = opened.project.monitoring.drift.model_copy(update={"min_rows": 40})
    loaded = with_rows(opened.loaded, tripled_goals, retrain=policy, monitoring=Monitoring(drift=drift))
    days = Days(loaded, tmp_path / "scratch", datetime(2008, 8, 1, 5, tzinfo=UTC))
    days.pass_until(UNITS_CHANGE)
    assert (days.incidents(), len(days.runs("retrain"))) == ([], 1)
    days.pass_until(
        datetime(2009, 4, 20, tzinfo=UTC), or_until=lambda: len(days.incidents()) == len(decisions(days, 2)) == 2
    )

    incident, loss = days.incidents()
    assert (incident.cause, loss.cause) == ("drift", "loss")
    account = incident.signals[0].account
    named = set(account.happened.replace("(", " ").split())
    columns = ("attack", "defence", "goal_attack", "goal_defence", "chances_against")
    assert named & {f"{side}_{what}" for side in ("home", "away") for what in columns}
    assert "outside of the range of the reference" in account.happened
    assert account.next_command == "touchline monitor drift -p football"
    _, retraining = days.runs("retrain")
    assert (retraining.trigger, retraining.status) == ("drift", "done")
    assert UNITS_CHANGE < incident.opened_at <= retraining.project_time
    first, *later = decisions(days, 2)
    assert first.gate_report is not None
    assert [one.to_stage for one in (first, *later)] == ["Staging", "Production"]
    require_made_before_cutoff(days)


def test_other_buyers_among_leads_whose_labels_come_late(tmp_path: Path) -> None:
    folder = tmp_path / "projects" / "leads_stream"
    folder.mkdir(parents=True)
    (folder / "project.py").write_text(LEADS.replace("people.csv", str(tmp_path / "people.csv")))
    people_over_days().write_csv(tmp_path / "people.csv")
    loaded = load_project(folder, base=tmp_path)
    policy = Retrain(schedule=None, on_degradation=True)
    daily = Daily(schedule="0 5 * * *", ahead=timedelta(days=1))
    loaded = with_rows(loaded, lambda rows: rows, retrain=policy, daily=daily)
    days = Days(loaded, tmp_path / "scratch", FIRST_DAY + timedelta(days=84, hours=5))
    days.pass_until(BUYERS_CHANGE + LABEL_DELAY - timedelta(days=2), step=timedelta(days=2))  # no label tells yet
    assert (days.incidents(), len(days.runs("retrain"))) == ([], 1)
    end = BUYERS_CHANGE + timedelta(days=45)
    days.pass_until(end, step=timedelta(days=2), or_until=lambda: len(decisions(days, 2)) > 0)

    incident = days.incidents()[0]
    assert incident.cause == "loss"
    assert incident.opened_at >= BUYERS_CHANGE + LABEL_DELAY
    account = incident.signals[0].account
    assert account.next_command.startswith("touchline monitor ")
    retraining = days.runs("retrain")[1]
    assert (retraining.trigger, retraining.status) in {("degradation", "done"), ("degradation", "refused")}
    assert retraining.project_time >= incident.opened_at
    first, *later = decisions(days, 2)
    assert first.gate_report is not None
    assert first.to_stage == ("Staging" if later else "None")
    require_made_before_cutoff(days)
