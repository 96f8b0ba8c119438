"""The schema of a request takes the levels and nulls of an entity key from the contract of its column."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import polars as pl

from touchline import Contract, Entity, Source, classification, examples, feature_view
from touchline.ingest import FrameProvider
from touchline.registry.release.request_schema import request_schema


class Flight(Contract):
    flight: str
    at: datetime
    carrier: Literal["AA", "UA"]
    gate: str | None
    origin: str


flights = Source(
    name="flights",
    contract=Flight,
    key="flight",
    event_time="at",
    provider=FrameProvider(lambda: (pl.DataFrame(), ())),
)


@feature_view(entity=Entity(name="carrier", join_keys="carrier"), source=flights)
def carriers(flights: pl.LazyFrame) -> pl.LazyFrame:
    return flights.select("carrier", "event_timestamp", flights_so_far=pl.lit(1.0))


@feature_view(entity=Entity(name="gate", join_keys="gate"), source=flights)
def gates(flights: pl.LazyFrame) -> pl.LazyFrame:
    return flights.select("gate", "event_timestamp", delay=pl.lit(1.0))


@examples(source=flights)
def each_flight(flights: pl.LazyFrame) -> pl.LazyFrame:
    return flights


def test_levels_and_nulls_of_a_key_are_those_of_its_column() -> None:
    task = classification(
        examples=each_flight, classes=["no", "yes"], features=[carriers.on("carrier"), gates.on("gate")]
    )
    schema = request_schema("flights", task, ())
    assert schema["properties"]["carrier"] == {
        "type": "string",
        "enum": ["AA", "UA"],
        "description": "carrier: carrier",
    }
    assert schema["properties"]["gate"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert schema["required"] == ["carrier"]
