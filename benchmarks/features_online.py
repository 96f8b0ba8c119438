"""How fast packed rows are read and materialized, beside Feast's own online stores.

    python benchmarks/features_online.py [sqlite] [redis] [--envs FOLDER]

One view of 10 features over 10,000 entities. Ours is measured twice: as the serving path reads (from a request's keys
to the model's row, with TTL and status), and through Feast's `online_read`, as Feast's stores are. The yardstick for
Redis is one bare round trip: a GET of one packed row by the same client library, and over a plain socket. Redis is
started here and stopped again. Feast's stores run in an environment of their own, made below --envs when it is not
there.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from peers.runs import feast_python, median, peak_gb, run_child, run_feast, run_parts, say_target

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers import running_redis  # the folder above has to be found first

ENTITIES, FEATURES = 10_000, 10
TURNS = {1: 3000, 100: 500}  # reads of one entity and of a hundred
NOW = datetime(2024, 6, 1, tzinfo=UTC)
TTL_DAYS = 5000
OURS = "touchline.features.feast_stores"
OFFLINE = f"{OURS}.PointInTimeOfflineStore"


def write_history(path: Path) -> None:
    """One row for each entity, as touchline writes histories."""
    chance = np.random.default_rng(7)
    stamps = NOW - timedelta(days=30)
    events = [stamps + timedelta(seconds=float(second)) for second in chance.integers(0, 2_000_000, ENTITIES)]
    instants = pl.Series(events, dtype=pl.Datetime("us", "UTC"))
    features = {f"{path.stem}_f{number}": chance.random(ENTITIES) for number in range(FEATURES)}
    frame = pl.DataFrame(
        {"driver": range(ENTITIES), "event_timestamp": instants, "created_timestamp": instants, **features}
    )
    frame.write_parquet(path, compression="zstd", compression_level=1)


def time_ours(job: dict[str, Any]) -> dict[str, Any]:
    """Materialize and read through touchline; in the child."""
    from touchline.features import ColumnSpec, FeatureReader, open_online_store

    history = Path(job["history"])
    view = _declared_view(history)
    found: dict[str, Any] = {"materialize": []}
    for number in range(job["repeats"]):
        location = job["location"].format(number=number)
        store = open_online_store(job["store"], location)
        found["materialize"].append(_materialize(view, history, store))
    served = _served(view)
    columns = tuple(ColumnSpec(name, "number", origin="view:stats") for name, _ in served.features)
    reader = FeatureReader((served,), columns, store)
    for count, turns in TURNS.items():
        requests = [_requests(turn, count) for turn in range(turns)]
        found[f"read_{count}"] = _times([lambda rows=rows: reader.read(rows, [NOW] * len(rows)) for rows in requests])
        keys = [[served.key(row) for row in asked] for asked in requests]
        if job["store"] == "redis":
            found[f"bare_{count}"] = _bare_client(location, keys)
            found[f"socket_{count}"] = _bare_socket(location, keys)
    found["peak_gb"] = peak_gb()
    return found


def _declared_view(history: Path) -> Any:
    from touchline.contracts import Contract
    from touchline.features import Entity, FeatureView
    from touchline.ingest import CsvFiles, Source

    class Row(Contract):
        driver: int
        at: datetime

    schema = pl.read_parquet_schema(history)
    source = Source("rows", contract=Row, key="driver", event_time="at", provider=CsvFiles("rows.csv"))
    entity = Entity(name="driver", join_keys=["driver"])

    def stats(rows: pl.LazyFrame) -> pl.LazyFrame:
        missing = [pl.lit(None, dtype=pl.Float64).alias(name) for name in schema if name.startswith("stats_")]
        return rows.select("driver", "event_timestamp", *missing)

    return FeatureView(name="stats", entity=entity, sources=(source,), function=stats, ttl=timedelta(days=TTL_DAYS))


def _served(view: Any) -> Any:
    from touchline.features import ServedView

    return ServedView.of("bench", view.on("driver"))


def _materialize(view: Any, path: Path, store: Any) -> float:
    from touchline.features import FeatureHistory, materialize
    from touchline.storage import open_objects, write_part

    objects = open_objects(path.parent / "objects")
    history = FeatureHistory(
        project="bench",
        view=view.name,
        feature_version=view.feature_version,
        hash=path.stem,
        rows=ENTITIES,
        quarantined=0,
        computed_until=NOW,
        snapshots={},
        pushed=(),
        parts=(write_part(objects, "bench", pl.read_parquet(path)),),
        pending=None,
        keys=view.join_keys,
        objects=objects,
    )
    started = time.perf_counter()
    done = materialize(view, history, store, now=NOW)
    seconds = time.perf_counter() - started
    if done.written != ENTITIES:
        raise SystemExit(f"{done.written} rows were written, {ENTITIES} expected")
    return seconds


def _requests(turn: int, count: int) -> list[dict[str, int]]:
    return [{"driver": (turn * 37 + step * 91) % ENTITIES} for step in range(count)]


def _times(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Seconds of each call, after a tenth of them as a warm-up."""
    for call in calls[: len(calls) // 10]:
        call()
    seconds = []
    for call in calls:
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds


def _bare_client(url: str, keys: Sequence[Sequence[bytes]]) -> list[float]:
    """GET, or MGET of many, by the client library alone."""
    import redis

    client = redis.Redis.from_url(url)
    if len(keys[0]) == 1:
        return _times([lambda key=one: client.get(key) for (one,) in keys])
    return _times([lambda many=many: client.mget(many) for many in keys])


def _bare_socket(url: str, keys: Sequence[Sequence[bytes]]) -> list[float]:
    """The same command over a plain socket; nothing is parsed beyond what tells that the answer is whole."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as channel:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.sendall(b"*2\r\n$6\r\nSELECT\r\n$1\r\n%s\r\n" % parts.path.strip("/").encode())
        channel.recv(100)
        commands = [_command(many) for many in keys]
        length = _exchange(channel, commands[0], 0)  # all rows are equally long
        return _times([lambda command=one: _exchange(channel, command, length) for one in commands])


def _command(keys: Sequence[bytes]) -> bytes:
    words = [b"GET" if len(keys) == 1 else b"MGET", *keys]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _exchange(channel: socket.socket, command: bytes, expected: int) -> int:
    """Send, and receive as many bytes as are expected; not knowing, as many as come within a tenth of a second."""
    channel.sendall(command)
    channel.settimeout(None if expected else 0.1)
    received = 0
    while not expected or received < expected:
        try:
            received += len(channel.recv(65536))
        except TimeoutError:
            break
    return received


def feast_job(online: dict[str, Any], offline: str, history: Path, repeats: int) -> dict[str, Any]:
    """The same through Feast."""
    return {
        "what": "online",
        "offline": {"type": offline},
        "online": online,
        "histories": [str(history)],
        "features": FEATURES,
        "ttl_days": TTL_DAYS,
        "created": "created_timestamp",
        "repeats": repeats,
        "entities": ENTITIES,
        "turns": TURNS,
    }


def say(name: str, found: dict[str, Any]) -> None:
    """One line: p50 and p99 of both reads, the materialization, and peak memory."""
    if "error" in found:
        print(f"  {name:<32} failed: {found['error'][:150]}", flush=True)
        return
    line = f"  {name:<32}"
    for count in TURNS:
        times = found.get(f"read_{count}")
        if times:
            line += f"  {count:>3}: p50 {_p(times, 50):8.1f} µs, p99 {_p(times, 99):8.1f}"
    if found.get("materialize"):
        seconds = found["materialize"]
        line += f"  write {median(seconds):6.3f} s ({min(seconds):.3f} to {max(seconds):.3f}, n={len(seconds)})"
    if "peak_gb" in found:
        line += f"  peak {found['peak_gb']:.2f} GB"
    print(line, flush=True)


def _p(seconds: Sequence[float], share: float) -> float:
    return float(np.percentile(seconds, share)) * 1e6


def compare(store: str, location: str, online: dict[str, dict[str, Any]], options: argparse.Namespace) -> None:
    """One kind of store: ours, ours through Feast, Feast's own."""
    print(f"\n{store}: {ENTITIES:,} entities × {FEATURES} features; reads of 1 (n={TURNS[1]}) and 100 (n={TURNS[100]})")
    with tempfile.TemporaryDirectory() as place:
        history = Path(place) / "stats.parquet"
        write_history(history)
        if store == "sqlite":
            location = f"{place}/{{number}}.db"
        job = {"store": store, "location": location, "history": str(history), "repeats": options.repeats}
        ours = run_child([sys.executable, __file__, "--job", json.dumps(job)])
        say("touchline, request to vector", ours)
        say("touchline through Feast", run_feast(sys.executable, feast_job(online["ours"], OFFLINE, history, 3)))
        feast = run_feast(feast_python(options.envs), feast_job(online["feast"], "dask", history, 3))
        say("Feast's own store", feast)
    if store == "redis":
        for name in ("bare", "socket"):
            found = {f"read_{count}": ours[f"{name}_{count}"] for count in TURNS}
            say({"bare": "bare round trip, redis-py", "socket": "bare round trip, plain socket"}[name], found)
    _targets(store, ours, feast)


def _targets(store: str, ours: dict[str, Any], feast: dict[str, Any]) -> None:
    one, hundred = _p(ours["read_1"], 50), _p(ours["read_100"], 50)
    if store == "sqlite":
        say_target("one entity p50", one, 25, " µs")
        say_target("100 entities p50", hundred / 1000, 0.5, " ms")
    else:
        say_target("one entity, of a bare round trip", one / _p(ours["bare_1"], 50), 1.3, " ×")
        say_target("100 entities p50", hundred / 1000, 0.6, " ms")
    if "materialize" in feast:
        ratio = median(feast["materialize"]) / median(ours["materialize"])
        say_target("materialized faster than Feast", ratio, 5, " ×", at_least=True)
        for count in TURNS:
            ratio = _p(feast[f"read_{count}"], 50) / _p(ours[f"read_{count}"], 50)
            print(f"    read of {count}: {ratio:.0f} × faster than Feast's own store")


def compare_sqlite(options: argparse.Namespace) -> None:
    """The embedded store."""
    online = {
        "ours": {"type": f"{OURS}.PackedSqliteOnlineStore", "path": "packed.db"},
        "feast": {"type": "sqlite", "path": "online.db"},
    }
    compare("sqlite", "", online, options)


def compare_redis(options: argparse.Namespace) -> None:
    """A server on this machine."""
    with running_redis() as url:
        address = urlsplit(url)
        string = f"{address.hostname}:{address.port}"
        online = {
            "ours": {"type": f"{OURS}.PackedRedisOnlineStore", "connection_string": f"{url}/14"},
            "feast": {"type": "redis", "connection_string": f"{string},db=15"},
        }
        compare("redis", f"{url}/{{number}}", online, options)


PARTS = {"sqlite": compare_sqlite, "redis": compare_redis}


if __name__ == "__main__":
    run_parts(__doc__, PARTS, time_ours)
