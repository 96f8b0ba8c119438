"""Calls of a bank (UCI Bank Marketing, `bank-additional-full.csv`): who takes a term deposit.

The rows are in order of time, from May 2008 to November 2010, and have a month and no date. The date is an estimate:
the year goes up where the month falls back, and the calls of a month are spread over its days in order. `duration` is
known only after the call and is left out. The word `unknown` is a level of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from touchline import Contract, Gate, Source, examples
from touchline.ingest import CsvFiles

from .table import LeadTable

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FIRST_YEAR = 2008
YesNo = Literal["no", "unknown", "yes"]
NAMES = {
    "emp.var.rate": "emp_var_rate",
    "cons.price.idx": "cons_price_idx",
    "cons.conf.idx": "cons_conf_idx",
    "nr.employed": "nr_employed",
}


class Call(Contract):
    """One call and whether the client took the deposit (null: to be predicted)."""

    call: int = Field(ge=1)
    called_at: datetime
    age: Annotated[int, Field(ge=17, le=120)]
    job: str
    marital: str
    education: str
    default: YesNo
    housing: YesNo
    loan: YesNo
    contact: Literal["cellular", "telephone"]
    month: Literal["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    day_of_week: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    campaign: int = Field(ge=1)
    pdays: int = Field(ge=0, le=999, description="days since an earlier campaign's call, 999 = none")
    previous: int = Field(ge=0)
    poutcome: Literal["failure", "nonexistent", "success"]
    emp_var_rate: float
    cons_price_idx: float
    cons_conf_idx: float
    euribor3m: float
    nr_employed: float
    y: Literal["no", "yes"] | None = None


def dated(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with an estimated date, from their order and their month."""
    months = {name: number for number, name in enumerate(MONTHS, start=1)}
    number = pl.col("month").replace_strict(months, return_dtype=pl.Int64)
    year = FIRST_YEAR + (number.diff() < 0).fill_null(False).cum_sum()
    # All months are taken to have 28 days, so that every date exists.
    place = pl.int_range(pl.len()).over("year", "number") * 28 // pl.len().over("year", "number")
    days = rows.with_columns(number=number, year=year).with_columns(day=place + 1)
    when = pl.datetime("year", "number", "day", time_zone="UTC")
    return days.with_columns(called_at=when.dt.strftime("%Y-%m-%dT%H:%M:%SZ")).drop("number", "year", "day")


INPUTS = [name for name in Call.model_fields if name not in ("call", "called_at", "y")]


def bank_calls_in(data: Path) -> Source:
    """The calls of the file in this folder."""
    return Source(
        name="bank_calls",
        contract=Call,
        key="call",
        event_time="called_at",
        known_after=timedelta(days=1),
        hidden_until_known=("y",),
        provider=CsvFiles(
            str(data / "bank-additional-full.csv*"),
            delimiter=";",
            rename=NAMES,
            row_column="call",
            ignore=("duration",),
            prepare=dated,
        ),
    )


def bank(data: Path) -> LeadTable:
    """The table in this folder."""
    calls = bank_calls_in(data)

    @examples(source=calls)
    def bank_leads(bank_calls: pl.LazyFrame) -> pl.LazyFrame:
        """Every call; the answer is known a day later."""
        return bank_calls.select(
            *INPUTS,
            example_id=pl.col("call").cast(pl.String),
            cutoff="called_at",
            label="y",
            label_timestamp="event_timestamp",
            cluster=pl.col("called_at").dt.strftime("%Y-%m-%d"),
        )

    return LeadTable(
        source=calls,
        examples=bank_leads,
        classes=("no", "yes"),
        inputs=INPUTS,
        clock=datetime(2010, 12, 1, tzinfo=UTC),
        has_time=True,
        # The campaign changes in 2009. A tenth as test window leaves calls of after the change for the comparison of
        # candidates, where trees that learnt the old levels of the economy's columns lose.
        options={"test": 0.1},
        # The share of buyers goes from 5 % to 46 %: no probability learnt before is right, so the order is the gate.
        gates=(Gate("roc_auc", at_least=0.55), Gate("pr_auc", at_least=0.10)),
    )
