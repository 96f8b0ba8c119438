"""A small project whose every part is declared: a shop's visits, and who of its customers will buy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

PROJECT = '''
"""Visits to a shop: who buys, from how the customer has spent before."""

from datetime import datetime, timedelta

import polars as pl
from pydantic import Field

from touchline import (
    Contract, Entity, Gate, Project, SampleClock, Source, Training, classification, examples, feature_view,
)
from touchline.ingest import CsvFiles


class Visit(Contract):
    visit_id: str
    at: datetime
    customer: str
    spent: float | None = Field(None, ge=0)


visits = Source(
    name="visits", contract=Visit, key="visit_id", event_time="at", known_after=timedelta(hours=1),
    hidden_until_known=("spent",), provider=CsvFiles("visits.csv"),
)
customer = Entity(name="customer", plural="customers", join_keys=["customer"])


@feature_view(entity=customer, source=visits, ttl=timedelta(days=365))
def spending(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.filter(pl.col("spent").is_not_null()).select(
        "customer",
        "event_timestamp",
        usual=pl.col("spent").rolling_mean(10, min_samples=1).over("customer", order_by="event_timestamp"),
    )


@examples(source=visits)
def each_visit(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.select(
        "customer",
        example_id="visit_id",
        cutoff="at",
        label=pl.when(pl.col("spent") > 50).then(pl.lit("yes")).when(pl.col("spent") <= 50).then(pl.lit("no")),
        label_timestamp="event_timestamp",
    )


task = classification(examples=each_visit, classes=["no", "yes"], features=[spending.on("customer")])
project = Project(
    name="shop", sources=[visits], feature_views=[spending], task=task,
    training=Training(candidates=["logistic"], test="40d", validation=0.2),
    gates=[Gate("accuracy", at_least=0.6), Gate.improves("log_loss")],
    clock=SampleClock(at="2024-06-01T00:00:00Z"),
)
'''


def write_shop(place: Path) -> None:
    """The project below `place/projects`, and its table beside it."""
    folder = place / "projects" / "shop"
    folder.mkdir(parents=True)
    (folder / "project.py").write_text(PROJECT)
    write_visits(place)


def write_visits(place: Path, *, days: int = 160) -> None:
    """Ten visits a day up to five days after the clock; half of the customers usually buy."""
    random = Random(11)
    start = datetime(2024, 6, 6, tzinfo=UTC) - timedelta(days=days)
    lines = ["visit_id,at,customer,spent"]
    for day in range(days):
        for hour in range(8, 18):
            customer = random.randrange(40)
            spent = max(0.0, random.gauss(80 if customer % 2 else 20, 20))
            at = start + timedelta(days=day, hours=hour)
            lines.append(f"{day}-{hour},{at:%Y-%m-%dT%H:%M:%SZ},c{customer},{spent:.2f}")
    (place / "visits.csv").write_text("\n".join(lines) + "\n")
