"""A small shop, trained and promoted, and the API over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from httpx import Client

from tests.serving.builders import on_loopback
from tests.stores import with_tables
from touchline.automation import ingest_and_settle, run_pipeline
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.cli.processes.apps import create_full_app
from touchline.project import load_project
from touchline.settings import Settings

NOW = datetime(2024, 6, 1, tzinfo=UTC)
PROJECT = """
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from touchline import (
    Contract, Entity, Gate, Project, SampleClock, Source, Training, classification, examples, feature_view,
)
from touchline.ingest import CsvFiles


class Visit(Contract):
    visit_id: str
    at: datetime
    customer: str
    branch: int
    spent: float | None = None


visits = Source(
    name="visits", contract=Visit, key="visit_id", event_time="at", known_after=timedelta(hours=1),
    hidden_until_known=("spent",), max_age=timedelta(days=7),
    provider=CsvFiles(str(Path(__file__).parents[2] / "visits.csv")),
)
customer = Entity(name="customer", plural="customers", join_keys=["customer"])
branch = Entity(name="branch", plural="branches", join_keys=["branch"])
habit = Entity(name="habit", plural="habits", join_keys=["customer", "branch"])


@feature_view(entity=customer, source=visits, ttl=timedelta(days=365))
def spending(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.filter(pl.col("spent").is_not_null()).select(
        "customer",
        "event_timestamp",
        usual=pl.col("spent").rolling_mean(10, min_samples=1).over("customer", order_by="event_timestamp"),
        last_visit="at",
    )


@feature_view(entity=branch, source=visits)
def turnover(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.filter(pl.col("spent").is_not_null()).select("branch", "event_timestamp", sold="spent")


@feature_view(entity=habit, source=visits)
def habits(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.filter(pl.col("spent").is_not_null()).select("customer", "branch", "event_timestamp", there="spent")


@examples(source=visits)
def each_visit(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.select(
        "customer",
        example_id="visit_id",
        cutoff="at",
        label=pl.when(pl.col("spent") > 50).then(pl.lit("yes")).when(pl.col("spent") <= 50).then(pl.lit("no")),
        label_timestamp="event_timestamp",
    )


project = Project(
    name="shop", sources=[visits], feature_views=[spending, turnover, habits],
    task=classification(examples=each_visit, classes=["no", "yes"], features=[spending.on("customer")]),
    training=Training(candidates=["logistic"], test="20d", validation=0.2, calibration=("none",)),
    gates=[Gate("accuracy", at_least=0.6)],
    clock=SampleClock(at="2024-06-01T00:00:00Z"),
)
"""


def write_project(place: Path) -> Path:
    """The folder of the shop's project, and its visits: eight a day for eighty days."""
    folder = place / "projects" / "shop"
    folder.mkdir(parents=True)
    (folder / "project.py").write_text(PROJECT)
    random, lines = Random(3), ["visit_id,at,customer,branch,spent"]
    for day in range(80):
        for hour in range(8, 16):
            who = random.randrange(20)
            at = NOW - timedelta(days=79 - day) + timedelta(hours=hour)
            spent = max(0.0, random.gauss(65 - 30 * (who % 2), 20))
            lines.append(f"{day}-{hour},{at:%Y-%m-%dT%H:%M:%SZ},c/{who},{who % 3},{spent:.2f}")
    (place / "visits.csv").write_text("\n".join(lines) + "\n")
    return folder


def a_home(place: Path) -> Home:
    return Home(Settings(home=with_tables(place / "home")), place)


def train_shop(place: Path) -> None:
    """Ingest, train and promote, as `touchline train` does."""
    home = a_home(place)
    opened = OpenedProject(home, load_project(write_project(place), base=place))
    run_pipeline(pipeline_context(opened), trigger="train", actor="tests")
    home.database.close()


def ingest_again(place: Path, lines: list[str]) -> None:
    """Ingest the visits with these lines in place of those of the same id, or as new ones."""
    by_id = {line.partition(",")[0]: line for line in [*(place / "visits.csv").read_text().splitlines(), *lines]}
    (place / "visits.csv").write_text("\n".join(by_id.values()) + "\n")
    home = a_home(place)
    opened = OpenedProject(home, load_project(place / "projects" / "shop", base=place))
    with closing(home.database):
        ingest_and_settle(pipeline_context(opened), opened.project.sources)


@contextmanager
def a_client(place: Path) -> Iterator[Client]:
    """A client of the full application behind a real port."""
    app = create_full_app(a_home(place), [place / "projects" / "shop"], host="127.0.0.1")
    # The tests of other workers share the cores: that requests wait for them is no overload of this server.
    app.serving.limits = replace(app.serving.limits, lag_seconds=60.0)
    with on_loopback(app) as address, Client(base_url=address, timeout=30) as client:
        yield client
