"""What a day costs when a table grows, and one percent of new rows into a large table.

    python benchmarks/growth.py [daily] [large] [--days 200] [--rows 5000000]

daily: 20,000 rows, then each day 100 new and 10 corrected ones, through ingest, one view and the online store.
large: a first ingest, then one percent of new rows, from Parquet, with the same view. Seconds
and megabytes are printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from touchline.clock import FrozenClock
from touchline.contracts import Contract
from touchline.features import Entity, FeatureView, materialize_view, open_online_store
from touchline.ingest import FrameProvider, ParquetFiles, Source, ingest_source
from touchline.storage import Database, open_objects

START = datetime(2025, 1, 1, tzinfo=UTC)
SHOP = Entity(name="shop", plural="shops", join_keys=["shop"])


class Sale(Contract):
    sale_id: int
    at: datetime
    shop: str
    amount: float
    kind: str


def takings(sales: pl.LazyFrame) -> pl.LazyFrame:
    """Sales of a shop so far."""
    ordered = sales.sort("event_timestamp", "sale_id")
    return ordered.select(
        "shop",
        "event_timestamp",
        total=pl.col("amount").cum_sum().over("shop"),
        count=pl.col("amount").cum_count().over("shop").cast(pl.Int64),
    )


def sales(first: int, count: int, since: datetime, until: datetime, *, shops: int, seed: int) -> pl.DataFrame:
    """Rows with ids from `first`, at instants spread between two."""
    chance = np.random.default_rng(seed)
    span = int((until - since).total_seconds() * 1_000_000)
    at = np.sort(chance.integers(0, span, count)).astype("timedelta64[us]")
    return pl.DataFrame(
        {
            "sale_id": np.arange(first, first + count),
            "at": pl.Series(np.datetime64(since.replace(tzinfo=None), "us") + at).dt.replace_time_zone("UTC"),
            "shop": pl.Series(chance.integers(0, shops, count)).cast(pl.String),
            "amount": chance.normal(50, 20, count).round(2),
            "kind": pl.Series(chance.integers(0, 5, count)).cast(pl.String),
        }
    )


class Home:
    """A home with one source and one view."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database.open(f"sqlite:///{folder}/touchline.db")
        self.database.migrate()
        self.stores = SimpleNamespace(database=self.database, objects=open_objects(folder / "objects"))
        self.online = open_online_store("sqlite", str(folder / "online.db"))
        self.clock = FrozenClock(START)

    def take(self, provider: Any) -> float:
        """Ingest, compute and materialize; seconds."""
        began = time.perf_counter()
        source = Source("sales", contract=Sale, key="sale_id", event_time="at", provider=provider)
        ingest_source(source, project="shop", stores=self.stores, clock=self.clock)
        self.ingested = time.perf_counter() - began
        view = FeatureView(name="takings", entity=SHOP, sources=(source,), function=takings, ttl=timedelta(days=90))
        materialize_view(view, project="shop", stores=self.stores, online=self.online, clock=self.clock)
        return time.perf_counter() - began

    @property
    def megabytes(self) -> float:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 1e6

    @property
    def files(self) -> int:
        return sum(path.is_file() for path in (self.folder / "objects").rglob("*"))


def _fetched(table: pl.DataFrame) -> tuple[pl.DataFrame, tuple[()]]:
    return table, ()


def daily(days: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        home, chance = Home(Path(name)), np.random.default_rng(1)
        table = sales(0, 20_000, START - timedelta(days=365), START, shops=200, seed=0)
        seconds = [home.take(FrameProvider(partial(_fetched, table)))]
        began = home.megabytes
        for day in range(1, days + 1):
            since = START + timedelta(days=day - 1)
            home.clock.move_to(since + timedelta(days=1))
            more = sales(len(table), 100, since, since + timedelta(days=1), shops=200, seed=day)
            corrected = set(chance.choice(len(table), 10, replace=False).tolist())
            is_corrected = pl.col("sale_id").is_in(corrected)
            amount = pl.when(is_corrected).then(pl.col("amount") + 1).otherwise("amount")
            table = pl.concat([table.with_columns(amount.alias("amount")), more])
            seconds.append(home.take(FrameProvider(partial(_fetched, table))))
        print(f"daily: 20,000 rows, 100 new and 10 corrected a day, {days} days")
        for day in sorted({day for day in (2, 40, 80, days) if day <= days}):
            near = seconds[max(day - 1, 1) : day + 2]
            print(f"  day {day:<4} {statistics.median(near):8.3f} s")
        print(f"  day {days} over day 2: {statistics.median(seconds[-3:]) / statistics.median(seconds[1:4]):.2f}")
        print(f"  home {began:.1f} MB after the first ingest, {home.megabytes:.1f} MB now, {home.files} objects")


def large(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "home").mkdir()
        home = Home(Path(name) / "home")
        folder = Path(name) / "files"
        folder.mkdir()
        shops = max(rows // 100, 10)
        sales(0, rows, START - timedelta(days=365), START, shops=shops, seed=0).write_parquet(folder / "a.parquet")
        first = home.take(ParquetFiles(folder / "*.parquet"))
        alone = f"(ingest alone {home.ingested:.1f} s)"
        print(f"large: {rows:,} rows, first ingest {first:.1f} s {alone}, {home.megabytes:.0f} MB")
        before = home.megabytes
        home.clock.move_to(START + timedelta(days=1))
        more = sales(rows, rows // 100, START, START + timedelta(days=1), shops=shops, seed=1)
        more.write_parquet(folder / "b.parquet")
        seconds = home.take(ParquetFiles(folder / "*.parquet"))
        alone = f"(ingest alone {home.ingested:.1f} s)"
        print(f"  1 % new rows {seconds:.1f} s {alone}, {home.megabytes - before:.0f} MB more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=["daily", "large", []], default=[])
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--rows", type=int, default=5_000_000)
    given = parser.parse_args()
    which = given.which or ["daily", "large"]
    if "daily" in which:
        daily(given.days)
    if "large" in which:
        large(given.rows)


if __name__ == "__main__":
    main()
