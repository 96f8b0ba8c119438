"""Leads of a marketplace (Olist): who signs within 30 days of the first contact, by the two files of the funnel.

Every other column of the closed deals exists for won leads alone, so none of them is read. Leads of before the first
recorded deal are left out: whether they were won was not recorded.

A label counts from the end of the 30 days on, also that of a lead that signed before: were winners known earlier than
the others, the newest leads with a label would nearly all be winners, and every score too high.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from touchline import Contract, Gate, Source, examples
from touchline.ingest import FrameProvider, RawFile

from .table import LeadTable

HORIZON = timedelta(days=30)
FILES = ("olist_marketing_qualified_leads.csv", "olist_closed_deals.csv")


class MarketLead(Contract):
    """One lead, and whether it signed within 30 days."""

    mql_id: str
    first_contact_date: datetime
    landing_page_id: str
    origin: str | None = None
    weekday: int = Field(ge=1, le=7)
    won: Literal["no", "yes"] | None = None
    settled_at: datetime = Field(description="when the outcome of every lead of that day is known: after 30 days")


INPUTS = ["landing_page_id", "origin", "weekday"]


def olist(data: Path) -> LeadTable:
    """The table of the two files in this folder."""

    def read() -> tuple[pl.DataFrame, tuple[RawFile, ...]]:
        contents = {name: (data / name).read_bytes() for name in FILES}
        leads, deals = (pl.read_csv(contents[name], infer_schema=False) for name in FILES)
        table = funnel(leads, deals)
        return table, tuple(RawFile.of(name, content) for name, content in contents.items())

    market_leads = Source(
        name="market_leads",
        contract=MarketLead,
        key="mql_id",
        event_time="first_contact_date",
        provider=FrameProvider(read),
    )

    @examples(source=market_leads)
    def olist_leads(market_leads: pl.LazyFrame) -> pl.LazyFrame:
        """Every lead at its first contact; the outcome is known months later."""
        return market_leads.select(
            *INPUTS,
            example_id="mql_id",
            cutoff="first_contact_date",
            label="won",
            label_timestamp="settled_at",
            cluster=pl.col("first_contact_date").dt.strftime("%Y-%m-%d"),
        )

    clock = datetime(2018, 11, 13, tzinfo=UTC)
    return LeadTable(
        source=market_leads,
        examples=olist_leads,
        classes=("no", "yes"),
        inputs=INPUTS,
        clock=clock,
        has_time=True,
        # A month has 70 winners among 1,000 leads: too few to show a gain in log loss over their share. Who is called
        # first is decided by the order.
        gates=(Gate("roc_auc", at_least=0.55),),
    )


def funnel(leads: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    """One row a lead with whether it was won within the horizon, which is known at its end."""
    won = deals.select("mql_id", won_at=pl.col("won_date").str.to_datetime(time_zone="UTC"))
    contact = pl.col("first_contact_date").str.to_datetime("%Y-%m-%d", time_zone="UTC")
    joined = leads.join(won, on="mql_id", how="left").with_columns(first_contact_date=contact)
    is_won = (pl.col("won_at") <= pl.col("first_contact_date") + HORIZON).fill_null(False)
    recorded = joined.filter(pl.col("first_contact_date") >= won["won_at"].min())
    return recorded.select(
        "mql_id",
        "first_contact_date",
        "landing_page_id",
        "origin",
        weekday=pl.col("first_contact_date").dt.weekday().cast(pl.Int64),
        won=pl.when(is_won).then(pl.lit("yes")).otherwise(pl.lit("no")),
        settled_at=pl.col("first_contact_date") + HORIZON,
    )
