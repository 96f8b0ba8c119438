"""How fast a million rows are checked and ingested, and how much memory that takes.

    python benchmarks/ingest.py [--rows 1000000] [--envs FOLDER]

Each measurement runs in a process of its own, so that the peak memory is its own; the smallest of several times is
printed, and beside it what the targets are. Pandera checks the same rules in an environment of its own, made below
--envs when it is not there.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from peers.runs import peer_python, run_child
from touchline.clock import FrozenClock
from touchline.contracts import Contract, compile_contract
from touchline.ingest import CsvFiles, ParquetFiles, Source, ingest_source
from touchline.storage import Database, open_objects

PANDERA = Path(__file__).parent / "peers" / "pandera_peer.py"
TYPED, TEXT = "contract check, typed columns", "contract check, text columns"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Game(Contract):
    """Eight columns of the kinds that tables have."""

    game_id: str = Field(min_length=1, max_length=20)
    start: datetime
    league: Literal["north", "south", "east", "west"]
    home: str = Field(pattern="^t[0-9]+$")
    goals: int | None = Field(None, ge=0, le=30)
    odds: float = Field(gt=1)
    attendance: int = Field(ge=0)
    neutral: bool


def a_table(rows: int, *, seed: int = 7) -> pl.DataFrame:
    """Typed rows that keep the contract, in no order."""
    chance = np.random.default_rng(seed)
    start = np.datetime64("2000-01-01", "us") + chance.integers(0, 25 * 365 * 86400, rows) * np.timedelta64(1, "s")
    goals = pl.Series("goals", chance.integers(0, 9, rows)).set(pl.Series(chance.random(rows) < 0.02), None)
    return pl.DataFrame(
        {
            "game_id": [f"g{number:08d}" for number in chance.permutation(rows)],
            "start": pl.Series(start).dt.replace_time_zone("UTC"),
            "league": chance.choice(["north", "south", "east", "west"], rows),
            "home": [f"t{number}" for number in chance.integers(0, 500, rows)],
            "goals": goals,
            "odds": np.round(1.01 + chance.exponential(2, rows), 3),
            "attendance": chance.integers(0, 80_000, rows),
            "neutral": chance.random(rows) < 0.05,
        }
    )


def changed_share(table: pl.DataFrame, share: float) -> pl.DataFrame:
    """A batch as a feed brings it: a share of the rows, half of them with another value, half new."""
    some = table.head(int(table.height * share))
    half = some.height // 2
    corrected = some.head(half).with_columns(attendance=pl.col("attendance") + 1)
    return pl.concat([corrected, some.tail(half).with_columns(game_id="n" + pl.col("game_id"))])


def a_source(provider: CsvFiles | ParquetFiles) -> Source:
    return Source(
        "games", contract=Game, key="game_id", event_time="start", known_after=timedelta(hours=2), provider=provider
    )


class Timing(NamedTuple):
    """How long a piece of work took, and how much of all cores' time: on a busy machine the second tells more."""

    seconds: float
    cpu_seconds: float


def timed(work: Callable[[], object]) -> Timing:
    begin, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - begin, time.process_time() - cpu)


def check_typed(folder: Path) -> Timing:
    table, compiled = pl.read_parquet(folder / "games.parquet"), compile_contract(Game)
    return min(timed(lambda: compiled.check(table)) for _ in range(3))


def check_text(folder: Path) -> Timing:
    table, compiled = pl.read_csv(folder / "games.csv", infer_schema=False), compile_contract(Game)
    return min(timed(lambda: compiled.check(table)) for _ in range(3))


def check_by_pydantic(folder: Path) -> Timing:
    """A sample row by row, scaled to the whole table."""
    table = pl.read_parquet(folder / "games.parquet")
    rows = table.head(min(table.height, 50_000)).to_dicts()
    sample, scale = timed(lambda: [Game.model_validate(row) for row in rows]), table.height / len(rows)
    return Timing(sample.seconds * scale, sample.cpu_seconds * scale)


def ingest_csv(folder: Path) -> Timing:
    return _ingest(folder, CsvFiles(folder / "games.csv"))


def ingest_parquet(folder: Path) -> Timing:
    return _ingest(folder, ParquetFiles(folder / "games.parquet"))


def ingest_again(folder: Path) -> Timing:
    """The same bytes into a home that has them."""
    return _ingest(folder, CsvFiles(folder / "games.csv"), before=CsvFiles(folder / "games.csv"))


def ingest_same_rows(folder: Path) -> Timing:
    """Other bytes with the same rows: all is compared, nothing is new."""
    return _ingest(folder, CsvFiles(folder / "games.csv"), before=ParquetFiles(folder / "games.parquet"))


def ingest_one_percent(folder: Path) -> Timing:
    return _ingest(folder, CsvFiles(folder / "update.csv"), before=ParquetFiles(folder / "games.parquet"))


def _ingest(
    folder: Path, provider: CsvFiles | ParquetFiles, *, before: CsvFiles | ParquetFiles | None = None
) -> Timing:
    with tempfile.TemporaryDirectory(dir=folder) as home:
        database = Database.open(f"sqlite:///{home}/touchline.db")
        database.migrate()
        stores, clock = SimpleNamespace(database=database, objects=open_objects(f"{home}/objects")), FrozenClock(NOW)
        if before is not None:
            ingest_source(a_source(before), project="bench", stores=stores, clock=clock)
        timing = timed(lambda: ingest_source(a_source(provider), project="bench", stores=stores, clock=clock))
        database.close()
    return timing


MEASUREMENTS: dict[str, tuple[Callable[[Path], Timing], float | None]] = {
    TYPED: (check_typed, 1.0),
    TEXT: (check_text, 1.0),
    "  Pydantic row by row (sampled)": (check_by_pydantic, None),
    "ingest from CSV": (ingest_csv, 5.0),
    "ingest from Parquet": (ingest_parquet, 5.0),
    "the same bytes again": (ingest_again, None),
    "the same rows in other bytes": (ingest_same_rows, None),
    "an update of 1 %": (ingest_one_percent, None),
}


def measure(name: str, folder: Path) -> dict[str, Any]:
    """One measurement, in this process: the best of two runs, and the peak memory."""
    work = MEASUREMENTS[name][0]
    best = min(work(folder) for _ in range(2))
    return {**best._asdict(), "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--envs", type=Path, default=Path(".bench"), help="where Pandera's own environment lies")
    arguments.add_argument("--one", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        print(json.dumps(measure(given.one[0], Path(given.one[1]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A child begins with its parent's peak memory, so the parent must hold no table.
        writer = get_context("spawn").Process(target=_write_tables, args=(folder, given.rows))
        writer.start()
        writer.join()
        sizes = {file.name: f"{file.stat().st_size / 2**20:.0f} MiB" for file in sorted(folder.iterdir())}
        print(f"{given.rows:,} rows x {len(Game.model_fields)} columns; {sizes}")
        for measurement, (_, target) in MEASUREMENTS.items():
            found = run_child([sys.executable, __file__, "--one", measurement, name])
            _print(measurement, found, rows=given.rows, target=target)
            if measurement == TYPED:
                _print_pandera(given.envs.absolute(), folder, found)


def _write_tables(folder: Path, rows: int) -> None:
    table = a_table(rows)
    table.write_parquet(folder / "games.parquet")
    table.write_csv(folder / "games.csv")
    changed_share(table, 0.01).write_csv(folder / "update.csv")


def _print_pandera(envs: Path, folder: Path, ours: dict[str, Any]) -> None:
    python = peer_python(envs, "pandera", ["pandera[polars]==0.35.0", f"polars=={version('polars')}"])
    theirs = run_child([str(python), "-W", "ignore", str(PANDERA), str(folder / "games.parquet")])
    _print(
        "  Pandera on Polars", theirs, rows=pl.scan_parquet(folder / "games.parquet").select(pl.len()).collect().item()
    )
    if "error" not in ours and "error" not in theirs:
        ratio = ours["seconds"] / theirs["seconds"]
        print(f"    ours takes {ratio:.2f} × Pandera's time, and parts the rows that break a rule")


def _print(name: str, found: dict[str, Any], *, rows: int, target: float | None = None) -> None:
    if "error" in found:
        print(f"{name:34} failed: {found['error'][:150]}")
        return
    seconds, cpu, peak = found["seconds"], found["cpu_seconds"], found["peak_mib"]
    verdict = "" if target is None else f"   target < {target:g} s: {'met' if seconds < target else 'MISSED'}"
    print(
        f"{name:34} {seconds:7.3f} s (CPU {cpu:6.3f} s) {rows / seconds:12,.0f} rows/s   peak {peak:5,.0f} MiB{verdict}"
    )


if __name__ == "__main__":
    main()
