"""The contract of ../ingest.py as Pandera checks it on Polars, in Pandera's own environment. Called by ../ingest.py.

    python pandera_peer.py GAMES.parquet

What was measured is printed as one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import pandera.polars as pa
import polars as pl

LEAGUES = ["north", "south", "east", "west"]
SCHEMA = pa.DataFrameSchema(
    {
        "game_id": pa.Column(str, pa.Check.str_length(1, 20)),
        "start": pa.Column(pl.Datetime("us", "UTC")),
        "league": pa.Column(str, pa.Check.isin(LEAGUES)),
        "home": pa.Column(str, pa.Check.str_matches("^t[0-9]+$")),
        "goals": pa.Column(int, [pa.Check.ge(0), pa.Check.le(30)], nullable=True),
        "odds": pa.Column(float, pa.Check.gt(1)),
        "attendance": pa.Column(int, pa.Check.ge(0)),
        "neutral": pa.Column(bool),
    }
)


def main(table: Path) -> None:
    """Every rule over every row, reported together as our contracts do; the best of six."""
    frame, times = pl.read_parquet(table), []
    _check_that_it_checks(frame)
    for _ in range(6):
        begin, cpu = time.perf_counter(), time.process_time()
        SCHEMA.validate(frame, lazy=True)
        times.append((time.perf_counter() - begin, time.process_time() - cpu))
    seconds, cpu_seconds = min(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}))


def _check_that_it_checks(frame: pl.DataFrame) -> None:
    """A row that breaks three rules is refused, or the seconds below would say nothing."""
    broken = frame.head(9).with_columns(odds=pl.lit(0.5), home=pl.lit("x"), goals=pl.lit(31, pl.Int64))
    try:
        SCHEMA.validate(broken, lazy=True)
    except pa.errors.SchemaErrors as refused:
        found = {failure.schema.name for failure in refused.schema_errors}
        assert {"odds", "home", "goals"} <= found, found
    else:
        raise AssertionError("Pandera let a broken row pass")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
