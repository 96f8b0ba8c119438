"""What a prediction, a feature row and a training cost, and how fast a promotion reaches every replica.

    python benchmarks/scale.py [serving] [features] [training] [--seconds 15]

Without a part, all run. Serving: two replicas, PostgreSQL and Redis as processes of their own, asked by key over four
connections; the processor time of each of them is divided by the answers, then versions are promoted one after the
other under load. Features: a history of 500,000 rows of 50,000 entities is computed, stored and materialized into
Redis. Training: `touchline train` of the shop on 1,600 and 16,000 rows.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
from prove_soak import processes_below, processor_seconds
from tests.features.builders import FakeSnapshot, a_view, stored_history
from tests.servers import running_postgres, running_redis
from tests.serving.builders import wait_for
from tests.serving.bundles import Registry, a_model, a_stats_view, looked_up, write_stats
from tests.serving.load import under_load
from tests.serving.server_process import Process, a_process
from tests.shop import PROJECT, write_visits
from touchline.features import build_history, materialize, open_online_store

COLUMNS, TREES = 30, 300
PROMOTIONS = 6
ROWS, ENTITIES = 500_000, 50_000
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def serving(seconds: float) -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="touchline-scale-")))
        database, redis = stack.enter_context(running_postgres(fsync="on")), stack.enter_context(running_redis())
        registry = Registry.open(place, url=database)
        models = [looked_up(a_model("lightgbm", columns=COLUMNS, rows=4_000, seed=at, trees=TREES)) for at in (1, 2)]
        views, example = (a_stats_view(models[0].columns),), {"customer_id": "c1"}
        ids = [registry.keep(at, model, example=example, views=views) for at, model in enumerate(models, start=1)]
        registry.promote(1, ids[0])
        store = open_online_store("redis", f"{redis}/0")
        write_stats(store, models[0].columns)
        where = {"database": database, "redis": f"{redis}/0", "objects": str(place / "objects")}
        replicas = [stack.enter_context(_replica(place / name, where)) for name in ("first", "second")]
        parts = {"two replicas": [one.pid for one in replicas], "PostgreSQL": [_postmaster(database)]}
        parts["Redis"] = [_redis_pid(redis)]
        loads = [stack.enter_context(under_load(one.address, example, connections=2)) for one in replicas]
        time.sleep(3)
        before, answered, began = _spent(parts), sum(len(load.answers) for load in loads), time.monotonic()
        time.sleep(seconds)
        after, total, took = _spent(parts), sum(len(load.answers) for load in loads), time.monotonic() - began
        count = total - answered
        print(f"serving by key, {COLUMNS} features, {TREES} trees: {count / took:,.0f} answers a second")
        for name in parts:
            print(f"  {name:14} {(after[name] - before[name]) / count * 1e6:6.0f} µs of processor time an answer")
        reaches = [_promotion(registry, ids, replicas, 2 - turn % 2) for turn in range(PROMOTIONS)]
        failures = sum(len(load.failures) for load in loads)
        print(
            f"  a promotion reaches both replicas within {max(reaches):.2f} s ({PROMOTIONS} tries), {failures} failed"
        )
        for load in loads:
            load.ending.set()
        store.close()
        registry.database.close()


@contextmanager
def _replica(home: Path, where: dict[str, str]) -> Iterator[Process]:
    home.mkdir()
    with a_process(home, **where) as process:
        yield process


def _promotion(registry: Registry, ids: Sequence[str], replicas: Sequence[Process], version: int) -> float:
    """The seconds until every replica answers by a version."""
    began = time.monotonic()
    registry.promote(version, ids[version - 1])
    for replica in replicas:
        wait_for(lambda address=replica.address: _version(address) == version, seconds=60)
    return time.monotonic() - began


def _version(address: str) -> Any:
    return httpx.post(f"{address}/predict", json={"customer_id": "c1"}, timeout=30).json()["version"]


def _postmaster(url: str) -> int:
    import psycopg

    with psycopg.connect(url) as connection:
        backend = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert backend is not None
    with psycopg.connect(url) as connection:
        pid = connection.info.backend_pid
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _redis_pid(url: str) -> int:
    import redis

    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def _spent(parts: dict[str, list[int]]) -> dict[str, float]:
    return {name: sum(sum(processor_seconds(pid).values()) for pid in pids) for name, pids in parts.items()}


def features(_: float) -> None:
    random = np.random.default_rng(7)
    seconds = pl.Series(random.integers(0, 17_000_000, ROWS) * 1_000_000).cast(pl.Duration("us"))
    stamps = pl.select(pl.lit(NOW - timedelta(days=200), dtype=pl.Datetime("us", "UTC")) + seconds).to_series()
    games = pl.select(
        game_id=pl.int_range(ROWS).cast(pl.String),
        played_at=stamps,
        event_timestamp=stamps,
        created_timestamp=stamps,
        _manifest=pl.lit("m"),
        _ingested=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
        _version=pl.lit(0, dtype=pl.Int32),
        team=pl.Series([f"t{n}" for n in random.integers(0, ENTITIES, ROWS)]),
        points=pl.Series(random.integers(0, 100, ROWS)).cast(pl.Int64),
    )
    view = a_view()
    with tempfile.TemporaryDirectory() as folder, running_redis() as redis:
        began, own = time.perf_counter(), time.process_time()
        history = stored_history(
            view, build_history(view, {"games": FakeSnapshot("games", "made-up", games)}), Path(folder)
        )
        print(f"features: {ROWS:,} rows computed and stored, {(time.process_time() - own) / ROWS * 1e6:.1f} µs a row")
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        print(f"  {time.perf_counter() - began:.1f} s in all, {size / ROWS:.0f} bytes a row on disk")
        store = open_online_store("redis", f"{redis}/0")
        pid = _redis_pid(redis)
        memory, own, server = _resident(pid), time.process_time(), sum(processor_seconds(pid).values())
        done = materialize(view, history, store, now=NOW)
        ours, theirs = time.process_time() - own, sum(processor_seconds(pid).values()) - server
        print(
            f"  {done.rows:,} entities materialized: {ours / done.rows * 1e6:.0f} µs of ours and "
            f"{theirs / done.rows * 1e6:.0f} µs of Redis each, {(_resident(pid) - memory) / done.rows:.0f} bytes there"
        )
        store.close()


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) * 1024


def training(_: float) -> None:
    for days in (160, 1_600):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "projects" / "shop").mkdir(parents=True)
            text = PROJECT.replace('candidates=["logistic"]', 'candidates=["logistic", "lightgbm"]')
            (place / "projects" / "shop" / "project.py").write_text(text)
            write_visits(place, days=days)
            environment = {**os.environ, "TOUCHLINE_HOME": str(place / "home")}
            command = [sys.executable, "-m", "touchline.cli.main", "train"]
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            size = sum(file.stat().st_size for file in (place / "home").rglob("*") if file.is_file()) / 1e6
            print(
                f"training on {days * 10:,} rows, two candidates: {used:.1f} s of processor time, "
                f"{time.perf_counter() - began:.1f} s, {size:.1f} MB stored",
                flush=True,
            )


PARTS = {"serving": serving, "features": features, "training": training}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, {len(processes_below(os.getpid()))} process")
    for name in options.parts or PARTS:
        PARTS[name](options.seconds)


if __name__ == "__main__":
    main()
