"""How fast history is joined point in time, beside Feast's own stores and bare engines on the same files.

    python benchmarks/features_offline.py [small] [default] [spread] [corrections] [growth] [large] [--envs FOLDER]

Without a part, all run. Each measurement has a process of its own, so that its peak memory is its own; the first run
of a process, which also imports, is left out. Feast's stores run in an environment of their own, made below --envs
when it is not there. `default` is Feast's default store, which takes minutes and gigabytes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from peers.runs import feast_python, median, peak_gb, run_child, run_feast, run_parts, say_target

OURS = "touchline.features.feast_stores.PointInTimeOfflineStore"
INSTANT = pl.Datetime("us", "UTC")
FIRST, LAST = 1_600_000_000_000_000, 1_700_000_000_000_000  # microseconds: three years
TURNS = 3  # of processes whose times are set against each other
TTL_DAYS = 5000  # Feast's default store drops rows outside a TTL; none is, so that all do the same work


@dataclass(frozen=True)
class Size:
    """Examples, rows of each view, features of each view, entities."""

    examples: int
    rows: int
    features: int
    entities: int

    def __str__(self) -> str:
        views = f"2 views of {self.rows:,} rows × {self.features} features"
        return f"{self.examples:,} examples × {views}, {self.entities:,} entities"


SMALL = Size(100_000, 500_000, 2, 1_000)
LARGE = Size(1_000_000, 5_000_000, 5, 50_000)


def write_files(folder: Path, size: Size, *, corrected_share: float = 0.0) -> None:
    """The examples and two histories as touchline writes them: sorted by key, event and created time."""
    chance = np.random.default_rng(7)
    cutoffs = pl.Series(chance.integers(FIRST, LAST, size.examples)).cast(INSTANT)
    asked = pl.DataFrame({"driver": chance.integers(0, size.entities, size.examples), "cutoff": cutoffs})
    asked.write_parquet(folder / "asked.parquet")
    for name in "ab":
        _write_history(folder / f"{name}.parquet", size, chance, corrected_share)


def _write_history(path: Path, size: Size, chance: np.random.Generator, corrected_share: float) -> None:
    event = chance.integers(FIRST, LAST, size.rows)
    late = np.where(chance.random(size.rows) < corrected_share, chance.integers(0, 10**13, size.rows), 0)
    frame = pl.DataFrame(
        {
            "driver": chance.integers(0, size.entities, size.rows),
            "event_timestamp": pl.Series(event).cast(INSTANT),
            "created_timestamp": pl.Series(event + late).cast(INSTANT),
            **{f"{path.stem}_f{number}": chance.random(size.rows) for number in range(size.features)},
        }
    )
    ordered = frame.sort("driver", "event_timestamp", "created_timestamp")
    ordered.write_parquet(path, compression="zstd", compression_level=1, row_group_size=128 * 1024)


def join_ours(asked: Path, histories: Sequence[Path], size: Size) -> pl.DataFrame:
    """The engine under `point_in_time_join` and under the Feast store: created times and TTL count."""
    from touchline.features.offline.as_of_join import HistoryColumns, Lookup, instants
    from touchline.features.offline.key_partitions import join_as_of

    examples = pl.read_parquet(asked)
    columns = list(examples.iter_columns())
    for path in histories:
        features = tuple(f"{path.stem}_f{number}" for number in range(size.features))
        lookup = Lookup(examples.select("driver"), instants(examples["cutoff"]), TTL_DAYS * 86_400_000_000)
        columns += join_as_of(pl.scan_parquet(path), HistoryColumns(("driver",), features), [lookup])[0].iter_columns()
    return pl.DataFrame(columns)


def join_polars(asked: Path, histories: Sequence[Path], size: Size) -> pl.DataFrame:  # noqa: ARG001  # one signature
    """The plain as-of join of Polars on the sorted files: no created time, no TTL."""
    frame = pl.read_parquet(asked).with_row_index("_row").sort("cutoff")
    for path in histories:
        # Each key's rows lie sorted, which is all the join needs and more than it can check.
        history = pl.read_parquet(path).drop("created_timestamp")
        frame = frame.join_asof(
            history,
            left_on="cutoff",
            right_on="event_timestamp",
            by="driver",
            strategy="backward",
            check_sortedness=False,
        ).drop("event_timestamp")
    return frame.sort("_row").drop("_row")


def join_duckdb(asked: Path, histories: Sequence[Path], size: Size) -> pl.DataFrame:
    """The plain as-of join of DuckDB on the sorted files: no created time, no TTL."""
    import duckdb

    names = ", ".join(f"{path.stem}.{path.stem}_f{number}" for path in histories for number in range(size.features))
    joins = " ".join(
        f"ASOF LEFT JOIN read_parquet('{path}') {path.stem} ON e.driver = {path.stem}.driver "
        f"AND e.cutoff >= {path.stem}.event_timestamp"
        for path in histories
    )
    with duckdb.connect() as connection:
        query = f"SELECT e.driver, e.cutoff, {names} FROM read_parquet('{asked}') e {joins}"
        return pl.from_arrow(connection.sql(query).to_arrow_table())  # type: ignore[return-value]  # a table, so a frame


ENGINES: dict[str, Callable[[Path, Sequence[Path], Size], pl.DataFrame]] = {
    "touchline": join_ours,
    "bare Polars": join_polars,
    "bare DuckDB": join_duckdb,
}


def run_engine(name: str, folder: Path, size: Size, repeats: int) -> dict[str, Any]:
    """One engine, in a process of its own."""
    job = {"engine": name, "folder": str(folder), "size": asdict(size), "repeats": repeats}
    return run_child([sys.executable, __file__, "--job", json.dumps(job)])


def run_in_turn(names: Sequence[str], folder: Path, size: Size, repeats: int) -> dict[str, dict[str, Any]]:
    """Several engines, one after another and again: a machine's speed drifts, and so both sides of a ratio drift."""
    each = math.ceil(repeats / TURNS)
    turns = [{name: run_engine(name, folder, size, each) for name in names} for _ in range(TURNS)]
    return {name: _together([turn[name] for turn in turns]) for name in names}


def _together(turns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All runs of an engine, or why one failed."""
    if failed := [turn for turn in turns if "error" in turn]:
        return failed[0]
    seconds = [second for turn in turns for second in turn["seconds"]]
    return {**turns[0], "seconds": seconds, "peak_gb": max(turn["peak_gb"] for turn in turns)}


def run_store(python: Path | str, store: str, folder: Path, size: Size, repeats: int) -> dict[str, Any]:
    """One offline store through Feast's own API, in a process of its own."""
    job = {
        "what": "history",
        "offline": {"type": store},
        "online": {"type": "sqlite", "path": "online.db"},
        "asked": str(folder / "asked.parquet"),
        "histories": [str(folder / f"{name}.parquet") for name in "ab"],
        "features": size.features,
        "ttl_days": TTL_DAYS,
        "created": "created_timestamp",
        "repeats": repeats,
    }
    return run_feast(python, job)


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """One engine so many times after a first run; in the child."""
    size, folder = Size(**job["size"]), Path(job["folder"])
    seconds = []
    for _ in range(job["repeats"] + 1):
        started = time.perf_counter()
        frame = ENGINES[job["engine"]](folder / "asked.parquet", [folder / "a.parquet", folder / "b.parquet"], size)
        seconds.append(time.perf_counter() - started)
    # The sum of all values tells whether engines found the same rows.
    total = sum(frame[name].sum() for name in frame.columns if "_f" in name)
    return {"seconds": seconds[1:], "first": seconds[0], "rows": len(frame), "sum": total, "peak_gb": peak_gb()}


def say(name: str, found: dict[str, Any], beside: dict[str, Any] | None = None) -> None:
    """One line: median and range of the runs, peak memory, rows, whether the values are the same, and the ratio."""
    if "error" in found:
        print(f"  {name:<28} failed: {found['error'][:150]}", flush=True)
        return
    seconds = found["seconds"]
    line = f"  {name:<28} {median(seconds):8.3f} s ({min(seconds):.3f} to {max(seconds):.3f}, n={len(seconds)})"
    line += f"  peak {found['peak_gb']:5.2f} GB  {found['rows']:>9,} rows"
    if beside is not None:
        same = "same values" if math.isclose(found["sum"], beside["sum"], rel_tol=1e-9) else "OTHER VALUES"
        line += f"  {same}  {median(seconds) / median(beside['seconds']):6.2f} × ours"
    print(line, flush=True)


def compare(size: Size, options: argparse.Namespace, limits: dict[str, float]) -> None:
    """Ours, the bare engines and Feast's DuckDB store."""
    print(f"\n{size}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_files(folder, size)
        bare = run_in_turn(list(ENGINES), folder, size, options.repeats)
        ours = bare.pop("touchline")
        say("touchline", ours)
        for name, found in bare.items():
            say(name, found, ours)
        say("touchline through Feast", run_store(sys.executable, OURS, folder, size, options.repeats), ours)
        feast = run_store(feast_python(options.envs), "duckdb", folder, size, 2)
        say("Feast's DuckDB store", feast, ours)
    best = min(median(found["seconds"]) for found in bare.values() if "seconds" in found)
    say_target("of the better bare join", median(ours["seconds"]) / best, limits["bare"], " ×")
    say_target("time", median(ours["seconds"]), limits["seconds"], " s")
    say_target("memory", ours["peak_gb"], limits["gb"], " GB")
    if "seconds" in feast:
        ratio = median(feast["seconds"]) / median(ours["seconds"])
        say_target("faster than Feast's DuckDB store", ratio, limits["duckdb"], " ×", at_least=True)


def compare_small(options: argparse.Namespace) -> None:
    """The size at which Feast's default store can be measured."""
    compare(SMALL, options, {"bare": 1.5, "seconds": 0.5, "gb": 0.5, "duckdb": 5})


def compare_large(options: argparse.Namespace) -> None:
    """Ten times as much."""
    compare(LARGE, options, {"bare": 1.5, "seconds": 3, "gb": 3, "duckdb": 4})


def compare_default(options: argparse.Namespace) -> None:
    """Ours beside Feast's default store, which pairs every example with every row of its entity: 500 rows here."""
    ratio = _beside_default(SMALL, options)
    if ratio is not None:
        say_target("faster than Feast's default store", ratio, 200, " ×", at_least=True)


def compare_spread(options: argparse.Namespace) -> None:
    """The same with 50 rows of each entity, the kindest case for Feast's default store."""
    _beside_default(replace(SMALL, entities=10_000), options)


def _beside_default(size: Size, options: argparse.Namespace) -> float | None:
    print(f"\n{size}, Feast's default store")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_files(folder, size)
        ours = run_engine("touchline", folder, size, options.repeats)
        say("touchline", ours)
        feast = run_store(feast_python(options.envs), "dask", folder, size, 0)
        say("Feast's default store", feast, ours)
    return median(feast["seconds"]) / median(ours["seconds"]) if "seconds" in feast else None


def corrections(options: argparse.Namespace) -> None:
    """The general path: a tenth of the rows was created up to 116 days after its event."""
    print(f"\n{SMALL}, by the share of corrected rows")
    for share in (0.0, 0.01, 0.1):
        with tempfile.TemporaryDirectory() as place:
            write_files(Path(place), SMALL, corrected_share=share)
            say(f"touchline, {share:.0%} corrected", run_engine("touchline", Path(place), SMALL, options.repeats))


def growth(options: argparse.Namespace) -> None:
    """Seconds at four sizes, and seconds for each n log n, which must not grow."""
    print("\nGrowth: n examples × 2 views of 5 n rows × 2 features")
    units = []
    for examples in (50_000, 100_000, 200_000, 400_000):
        size = Size(examples, examples * 5, 2, examples // 10)
        with tempfile.TemporaryDirectory() as place:
            write_files(Path(place), size)
            seconds = run_engine("touchline", Path(place), size, options.repeats)["seconds"]
        units.append(median(seconds) / (examples * math.log(examples)) * 1e9)
        spread = f"({min(seconds):.3f} to {max(seconds):.3f}, n={len(seconds)})"
        print(f"  n={examples:>7,}  {median(seconds):.3f} s {spread}  {units[-1]:.1f} ns for each n·ln n", flush=True)
    say_target("largest beside smallest, for each n·ln n", units[-1] / units[0], 1.25, " ×")


PARTS = {
    "small": compare_small,
    "default": compare_default,
    "spread": compare_spread,
    "corrections": corrections,
    "growth": growth,
    "large": compare_large,
}


if __name__ == "__main__":
    run_parts(__doc__, PARTS, run_job)
