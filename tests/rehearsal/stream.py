"""A small stream with a known change: on a day, what x says about the label turns round."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl

from touchline.project import LoadedProject, load_project
from touchline.rehearsal.policies import find_policies
from touchline.rehearsal.policy_run import PolicyRun
from touchline.rehearsal.stepped_run import Steps

START = datetime(2024, 1, 1, tzinfo=UTC)
STEPS = Steps(START + timedelta(days=28), START + timedelta(days=28 + 98))
CHANGE = START + timedelta(days=37)

PROJECT = """
from datetime import datetime, timedelta

import polars as pl

from touchline import Contract, Gate, Project, Retrain, Source, Training, Tune, classification, examples
from touchline.ingest import CsvFiles


class Event(Contract):
    event_id: str
    at: datetime
    x: float
    bought: bool | None = None


events = Source(
    name="events", contract=Event, key="event_id", event_time="at", known_after=timedelta(hours=1),
    hidden_until_known=("bought",), provider=CsvFiles("events.csv"),
)


@examples(source=events)
def each_event(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.select(
        "x", example_id="event_id", cutoff="at", label="bought", label_timestamp="event_timestamp",
        cluster=pl.col("at").dt.strftime("%Y-%m-%d"),
    )


task = classification(examples=each_event, classes=[False, True], inputs=["x"])
project = Project(
    name="stream", sources=[events], task=task,
    training=Training(candidates=["logistic"], test="14d", validation=0.2, calibration=["none"], blend=False),
    gates=[Gate.improves("log_loss", difference=1.0)],
    retrain=Retrain(schedule="0 4 * * 1"),  # every week
)
"""


def write_project(place: Path, tune: str = "", test: str = "14d") -> LoadedProject:
    """The project of the stream in a folder."""
    folder = place / "projects" / "stream"
    folder.mkdir(parents=True, exist_ok=True)
    text = PROJECT.replace("blend=False", f"blend=False, tune={tune}") if tune else PROJECT
    (folder / "project.py").write_text(text.replace("14d", test))
    return load_project(folder, base=place)


def stream(*, days: int = 160, a_day: int = 10) -> pl.DataFrame:
    """Row versions as a snapshot has them: each row known an hour after its event."""
    random = Random(5)
    rows = []
    for day in range(days):
        for number in range(a_day):
            at = START + timedelta(days=day, hours=8, minutes=number)
            x = random.gauss(0, 1)
            turn = 1 if at < CHANGE else -1
            rows.append((f"{day}-{number}", at, x, turn * x + random.gauss(0, 0.7) > 0))
    frame = pl.DataFrame(rows, schema=["event_id", "at", "x", "bought"], orient="row")
    known = (pl.col("at") + timedelta(hours=1)).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC")),
        event_timestamp=known,
        created_timestamp=known,
        _manifest=pl.lit("m"),
    )


def a_run(
    place: Path,
    policy: str,
    *,
    rows: pl.DataFrame | None = None,
    steps: Steps = STEPS,
    tune: str = "",
    test: str = "14d",
) -> PolicyRun:
    """A policy's run over the stream, in a folder of its own; `tune` and `test` go into the declared training."""
    loaded = write_project(place, tune, test)
    histories = {"events": stream() if rows is None else rows}
    return PolicyRun(loaded, histories, find_policies([policy], loaded.project)[0], steps, place / "home" / policy)
