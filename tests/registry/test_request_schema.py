"""The schema of a request takes the levels and nulls of an entity key from the contract of its column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from touchline import Contract, Entity, Field, Source, classification, examples, feature_view
from touchline.features import ColumnSpec
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


class Booking(Contract):
    booking: str
    at: datetime
    is_late: bool = False
    seats: int = Field(ge=0)
    plan: Literal["basic", "pro"] = "basic"
    stars: Literal[1, 2, 3]
    day: datetime
    price: float = Field(ge=0)


bookings = Source(
    name="bookings",
    contract=Booking,
    key="booking",
    event_time="at",
    provider=FrameProvider(lambda: (pl.DataFrame(), ())),
)


@examples(source=bookings)
def each_booking(bookings: pl.LazyFrame) -> pl.LazyFrame:
    return bookings


INPUTS = ["is_late", "seats", "plan", "stars", "day", "price"]
AS_DECLARED = pl.DataFrame(
    {
        "is_late": [True, None],
        "seats": [3.0, float("nan")],
        "plan": ["pro", "basic"],
        "stars": [1, 3],
        "day": [datetime(2026, 1, 1, tzinfo=UTC)] * 2,
        "price": [1, 2],
    }
)


def a_schema(rows: pl.DataFrame) -> dict[str, Any]:
    task = classification(examples=each_booking, classes=["no", "yes"], inputs=INPUTS)
    columns = [
        ColumnSpec(name, "category", tuple(rows[name].unique().sort()))
        if rows[name].dtype == pl.String
        else ColumnSpec(name, "number")
        for name in INPUTS
    ]
    return dict(request_schema("bookings", task, columns, rows)["properties"])


def test_an_input_as_the_contract_has_it_keeps_its_limits_and_levels() -> None:
    declared = Booking.model_json_schema()["properties"]
    assert a_schema(AS_DECLARED) == {name: declared[name] for name in INPUTS}


def test_an_input_that_the_examples_changed_has_the_type_of_its_values() -> None:
    changed = AS_DECLARED.with_columns(
        is_late=pl.col("is_late").cast(pl.Float64),
        seats=pl.col("seats") / 2,
        plan=pl.col("plan").str.to_uppercase(),
        stars=pl.format("{} stars", "stars"),
        day=pl.col("day").dt.date(),
        price=pl.col("price") > 1,
    )
    null = {"type": "null"}
    assert a_schema(changed) == {
        "is_late": {"anyOf": [{"type": "number"}, null], "default": 0.0},
        "seats": {"anyOf": [{"type": "number"}, null]},
        "plan": {"anyOf": [{"type": "string"}, null], "examples": ["BASIC", "PRO"]},
        "stars": {"anyOf": [{"type": "string"}, null], "examples": ["1 stars", "3 stars"]},
        "day": {"anyOf": [{"type": "string", "format": "date"}, null]},
        "price": {"anyOf": [{"type": "boolean"}, null]},
    }
