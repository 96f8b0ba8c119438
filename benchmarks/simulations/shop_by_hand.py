"""The shop of `prove_life.py`: its declaration, and the values that it gives, computed in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

HOUR = timedelta(hours=1)
PROJECT = """
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from touchline import (
    Contract, Entity, Gate, Project, SampleClock, Source, Training, classification, examples, feature_view,
)
from touchline.ingest import CsvFiles

LIMIT = {limit}


class Visit(Contract):
    visit_id: str
    at: datetime
    customer: str
    hour: int
    spent: float | None = None


visits = Source(
    name="visits", contract=Visit, key="visit_id", event_time="at", known_after=timedelta(hours=1),
    hidden_until_known=("spent",), provider=CsvFiles(str(Path(__file__).parents[2] / "visits.csv")),
)
customer = Entity(name="customer", plural="customers", join_keys=["customer"])


@feature_view(entity=customer, source=visits, ttl=timedelta(days={ttl}))
def spending(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.filter(pl.col("spent").is_not_null()).select(
        "customer", "event_timestamp",
        {feature}=pl.col("spent").rolling_mean(5, min_samples=1).over("customer", order_by="event_timestamp"),
    )


@feature_view(entity=customer, source=visits)
def visiting(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.filter(pl.col("spent").is_not_null()).select(
        "customer", "event_timestamp", last_spent="spent",
        above=(pl.col("spent") > LIMIT).cast(pl.Int64).cum_sum().over("customer", order_by="event_timestamp"),
    )


@examples(source=visits)
def each_visit(visits: pl.LazyFrame) -> pl.LazyFrame:
    return visits.select(
        "customer", "hour", example_id="visit_id", cutoff="at",
        label=pl.when(pl.col("spent") > LIMIT).then(pl.lit("yes")).when(pl.col("spent") <= LIMIT).then(pl.lit("no")),
        label_timestamp="event_timestamp",
    )


project = Project(
    name="shop", sources=[visits], feature_views=[{views}],
    task=classification(
        examples=each_visit, classes=["no", "yes"], features=[{joined}], inputs=[{inputs}],
    ),
    training=Training(candidates=["logistic"], test="20d", validation=0.2, calibration=("none",)),
    gates=[Gate("accuracy", at_least=0.3)],
    clock=SampleClock(at="2024-06-01T00:00:00Z"),
)
"""


@dataclass(frozen=True)
class Definition:
    """What a declaration computes."""

    feature: str = "usual"
    has_hour: bool = True
    has_visiting: bool = False
    ttl_days: int = 365
    limit: int = 50

    def write(self, folder: Path) -> None:
        views = ["spending", "visiting"] if self.has_visiting else ["spending"]
        text = PROJECT.format(
            limit=self.limit,
            ttl=self.ttl_days,
            feature=self.feature,
            views=", ".join(views),
            joined=", ".join(f'{view}.on("customer")' for view in views),
            inputs='"hour"' if self.has_hour else "",
        )
        (folder / "project.py").write_text(text)

    def values(self, visits: list[Visit], customer: str, hour: int, at: datetime) -> dict[str, float]:
        """The columns of one customer from the visits that were known at an instant; NaN for null."""
        own = sorted((one for one in visits if one.customer == customer), key=lambda one: one.at)
        spent = [one.spent for one in own]
        is_alive = bool(own) and own[-1].at + HOUR >= at - timedelta(days=self.ttl_days)
        found = {self.feature: sum(spent[-5:]) / len(spent[-5:]) if is_alive else math.nan}
        if self.has_hour:
            found["hour"] = hour
        if self.has_visiting:
            found["last_spent"] = spent[-1] if spent else math.nan
            found["above"] = sum(one > self.limit for one in spent) if spent else math.nan
        return found


@dataclass(frozen=True)
class Visit:
    """One version of a visit whose amount is known from an instant on."""

    visit_id: str
    customer: str
    at: datetime
    spent: float
    known_at: datetime


@dataclass
class Knowledge:
    """The file's rows as each ingest brought them: a visit of the first ingest is known from its end on."""

    versions: list[Visit] = field(default_factory=list)
    ingested_at: datetime | None = None

    def ingest(self, rows: list[dict[str, str]], now: datetime) -> None:
        newest = {one.visit_id: one for one in self.versions}
        for row in rows:
            at, spent = datetime.fromisoformat(row["at"]), float(row["spent"])
            known = newest.get(row["visit_id"])
            if at + HOUR > now or (known is not None and known.spent == spent):
                continue
            known_at = at + HOUR if self.ingested_at is None else now
            self.versions.append(Visit(row["visit_id"], row["customer"], at, spent, known_at))
        self.ingested_at = now

    def at(self, instant: datetime) -> list[Visit]:
        """The newest version of each visit that was known at an instant."""
        return list({one.visit_id: one for one in self.versions if one.known_at <= instant}.values())
