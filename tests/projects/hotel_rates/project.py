"""Hotel rates: what a room costs a night, from what is known of a booking when the guest arrives.

The sample's clock stands at 2017-06-01; what later guests paid is not known yet.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from pydantic import Field

from touchline import (
    Contract,
    Entity,
    Gate,
    Project,
    SampleClock,
    Source,
    Training,
    examples,
    feature_view,
    regression,
)
from touchline.ingest import FrameProvider

from .samples import hotel_rates

KNOWN = [
    "lead_time",
    "stays_in_weekend_nights",
    "stays_in_week_nights",
    "adults",
    "children",
    "meal",
    "market_segment",
    "is_repeated_guest",
    "assigned_room_type",
    "customer_type",
    "total_of_special_requests",
    "near_christmas",
    "near_new_years",
    "historical_adr",
]


class Booking(Contract):
    """One booking; the price is null until the guest has come."""

    booking_id: int = Field(ge=1)
    arrival_date: datetime
    avg_price_per_room: float | None = Field(None, ge=0, le=1000)
    lead_time: int = Field(ge=0)
    stays_in_weekend_nights: int = Field(ge=0)
    stays_in_week_nights: int = Field(ge=0)
    adults: int = Field(ge=0)
    children: int = Field(ge=0)
    meal: str
    country: str | None = None
    market_segment: str
    is_repeated_guest: int = Field(ge=0, le=1)
    reserved_room_type: str
    assigned_room_type: str
    customer_type: str
    total_of_special_requests: int = Field(ge=0)
    near_christmas: int = Field(ge=0, le=1)
    near_new_years: int = Field(ge=0, le=1)
    historical_adr: float


bookings = Source(
    name="bookings",
    contract=Booking,
    key="booking_id",
    event_time="arrival_date",
    known_after=timedelta(days=1),
    hidden_until_known=("avg_price_per_room",),
    provider=FrameProvider(hotel_rates),
)
room = Entity(name="room", plural="rooms", join_keys=["reserved_room_type"])


@feature_view(entity=room, source=bookings, ttl=timedelta(days=60))
def room_rate(bookings: pl.LazyFrame) -> pl.LazyFrame:
    """What rooms of a type cost of late."""
    paid = bookings.filter(pl.col("avg_price_per_room").is_not_null())
    days = paid.group_by("reserved_room_type", "event_timestamp").agg(pl.col("avg_price_per_room").mean())
    recent = pl.col("avg_price_per_room").rolling_mean(14, min_samples=1)
    return days.select(
        "reserved_room_type",
        "event_timestamp",
        rate_14=recent.over("reserved_room_type", order_by="event_timestamp"),
    )


@examples(source=bookings)
def arrivals(bookings: pl.LazyFrame) -> pl.LazyFrame:
    """Every booking on the day the guest arrives."""
    return bookings.select(
        *KNOWN,
        "reserved_room_type",
        example_id=pl.col("booking_id").cast(pl.String),
        cutoff="arrival_date",
        label="avg_price_per_room",
        label_timestamp="event_timestamp",
        cluster=pl.col("arrival_date").dt.strftime("%Y-%m-%d"),
    )


project = Project(
    name="hotel_rates",
    description="What a hotel room costs a night",
    sources=[bookings],
    feature_views=[room_rate],
    task=regression(
        examples=arrivals,
        inputs=KNOWN,
        features=[room_rate.on("reserved_room_type", prefix="room")],
        slices=["market_segment"],
    ),
    training=Training(candidates=["ridge", "lightgbm"], test="60d", validation=0.2),
    gates=[Gate("rmse", at_most=60), Gate.improves("rmse", confidence=0.95)],
    clock=SampleClock(at="2017-06-01T00:00:00Z"),
)
