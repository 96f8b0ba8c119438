"""Prove under load what serving promises: no request lost in a swap, no answer lost in a kill or while a part is away.

    python benchmarks/prove_serving.py [swaps] [kills] [database] [online] [disk] [--requests 100000] [--seconds 30]

Without a part, all run, each on a server process of its own. `database` is PostgreSQL and `online` Redis, both cut off
at the wire; `disk` is a small file system that is filled up (it needs root, to mount one). A broken promise ends the
program with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import running_postgres, running_redis
from tests.serving.builders import wait_for
from tests.serving.bundles import PROJECT, Registry, a_model, a_request, a_stats_view, looked_up, write_stats
from tests.serving.cable import Cable, a_cable
from tests.serving.load import Load, under_load
from tests.serving.server_process import Process, a_process
from touchline.features import open_online_store
from touchline.predictions import Sample, replay_sample
from touchline.registry import Releases
from touchline.storage import Database
from touchline.storage.tables import predictions

SWAPS, KILLS, REPLAYS = 10, 5, 10_000
# What stands in prediction_log.py: the flush interval, and one write of a busy machine.
KILL_BOUND_SECONDS = 0.25
SWAP_BOUND_SECONDS = 2.0
MEMORY_BOUND_MB = 150.0
CONNECTIONS = 8


def promise(words: str, holds: bool) -> bool:
    print(f"  {'ok    ' if holds else 'BROKEN'} {words}", flush=True)
    return holds


def a_registry(home: Path, *, url: str | None = None) -> tuple[Registry, list[str]]:
    """Two versions' releases, the first in Production."""
    registry = Registry.open(home, url=url)
    ids = [registry.keep(version, a_model(seed=version), example=a_request()) for version in (1, 2)]
    registry.promote(1, ids[0])
    return registry, ids


def logged(database: Database) -> set[str]:
    with database.connect() as connection:
        return set(connection.scalars(sa.select(predictions.c.prediction_id)))


def swaps(home: Path, options: argparse.Namespace) -> bool:
    """Promotions and rollbacks under load, two workers; then a sample of the answers computed again."""
    registry, ids = a_registry(home)
    oldest = 0.0
    with a_process(home, workers=2) as server, under_load(server.address, a_request(), connections=CONNECTIONS) as load:
        for swap in range(SWAPS):
            wait_for(
                lambda due=swap + 1: len(load.answers) >= options.requests * due // SWAPS or load.failures, seconds=900
            )
            version = 2 - swap % 2
            registry.promote(version, ids[version - 1])
            at = time.time()
            wait_for(lambda to=version: {found for _, _, found in load.answers[-200:]} == {to}, seconds=60)
            old = [came for came, _, found in load.answers if came > at and found != version]
            oldest = max([oldest, *(came - at for came in old)])
    holds = promise(f"{len(load.answers):,} answers over {SWAPS} swaps, {len(load.failures)} failed", not load.failures)
    holds &= promise(f"the last old answer {oldest:.2f} s after its swap, bound {SWAP_BOUND_SECONDS:g} s", oldest < 2.0)
    wait_for(lambda: not list((home / "spool").glob("*/*.jsonl")), seconds=30)  # the process that drains ends last
    missing = {found for _, found, _ in load.answers} - logged(registry.database)
    holds &= promise(f"{len(missing)} of them not in the log", not missing)
    report = replay_sample(registry, PROJECT, Sample(REPLAYS), open_release=Releases(registry).open)
    return holds & promise(f"{report.replayed:,} replayed, {len(report.mismatches)} mismatches", not report.mismatches)


def kills(home: Path, options: argparse.Namespace) -> bool:  # noqa: ARG001
    """kill -9 under load, again and again over the same home."""
    registry, _ = a_registry(home)
    oldest, lost, answers = 0.0, 0, 0
    for _ in range(KILLS):
        with a_process(home) as server, under_load(server.address, a_request(), connections=CONNECTIONS) as load:
            wait_for(lambda load=load: len(load.answers) > 3000, seconds=120)
            killed_at = time.time()
            server.kill()
            load.ending.set()
        with a_process(home):  # it takes over what the dead one left
            wait_for(lambda: not list((home / "spool").glob("*/*.jsonl")), seconds=30)
        kept = logged(registry.database)
        gone = [killed_at - at for at, found, _ in load.answers if found not in kept]
        oldest, lost, answers = max([oldest, *gone]), lost + len(gone), answers + len(load.answers)
    words = f"{KILLS} kills after {answers:,} answers: {lost} lost, the oldest {oldest * 1000:.0f} ms old"
    return promise(f"{words}, bound {KILL_BOUND_SECONDS * 1000:.0f} ms", oldest <= KILL_BOUND_SECONDS)


def database(home: Path, options: argparse.Namespace) -> bool:
    """PostgreSQL cut off: answers go on, the log waits on disk."""
    with running_postgres() as url, a_cable(_port(url)) as cable:
        registry, _ = a_registry(home, url=url)
        cut = url.replace(f":{_port(url)}/", f":{cable.port}/")
        with a_process(home, database=cut) as server, under_load(server.address, a_request(), connections=4) as load:
            during, memory = _while_cut(server, load, cable, options.seconds)
            wait_for(lambda: {found for _, found, _ in load.answers[:100]} <= logged(registry.database), seconds=60)
            load.ending.set()
            said = {found for _, found, _ in load.answers}
            wait_for(lambda: said <= logged(registry.database), seconds=120)
            kept = logged(registry.database)
        holds = promise(
            f"{during:,} answers while it was away, {len(load.failures)} failed", not load.failures and during > 0
        )
        holds &= promise(f"{len(said - kept)} of {len(said):,} answers lost", said <= kept)
        registry.database.close()
        return holds & _bounded(memory)


def online(home: Path, options: argparse.Namespace) -> bool:
    """Redis cut off: requests by key fail clearly and at once, requests by values go on, all is well afterwards."""
    registry = Registry.open(home)
    model = looked_up(a_model())
    views = (a_stats_view(model.columns),)
    registry.promote(1, registry.keep(1, model, example={"customer_id": "c1"}, views=views))
    values = {"features": a_request()}
    with running_redis() as url, a_cable(_port(url)) as cable:
        store = open_online_store("redis", f"{url}/0")
        write_stats(store, model.columns)
        with (
            a_process(home, redis=f"redis://127.0.0.1:{cable.port}/0") as server,
            under_load(server.address, {"customer_id": "c1"}, is_refusal_fine=True) as by_key,
            under_load(server.address, values) as by_values,
        ):
            during, memory = _while_cut(server, by_values, cable, options.seconds)
            answered = len(by_key.answers)
            wait_for(lambda: len(by_key.answers) > answered + 100, seconds=60)
        said = {found for load in (by_key, by_values) for _, found, _ in load.answers}
        store.close()
    refused = set(by_key.failures)
    clear = all(words.startswith("503 bench: the online store did not answer") for words in refused)
    holds = promise(
        f"by values: {during:,} answers while it was away, {len(by_values.failures)} failed", not by_values.failures
    )
    holds &= promise(f"by key: {len(by_key.failures):,} refused, each with 503 and the reason", clear and bool(refused))
    holds &= promise(
        f"{len(said - logged(registry.database))} of {len(said):,} answers lost", said <= logged(registry.database)
    )
    return holds & _bounded(memory)


def disk(home: Path, options: argparse.Namespace) -> bool:
    """The disk of spool and database full: answers go on while memory has room, then are refused; none is lost."""
    if os.geteuid() != 0:
        return promise("not tried: only root can mount a small disk", False)
    with _small_disk(home / "small") as place:
        registry, _ = a_registry(place)
        with (
            a_process(place) as server,
            under_load(server.address, a_request(), connections=4, is_refusal_fine=True) as load,
        ):
            wait_for(lambda: len(load.answers) > 200, seconds=60)
            before, memory = len(load.answers), server.memory_mb
            _fill(place / "filler")
            _sleep(options.seconds)
            during, memory = len(load.answers) - before, server.memory_mb - memory
            (place / "filler").unlink()
            last = len(load.answers)
            wait_for(lambda: len(load.answers) > last + 200, seconds=60)
            load.ending.set()
            said = {found for _, found, _ in load.answers}
            wait_for(lambda: said <= logged(registry.database), seconds=120)
        clear = all(words.startswith("503 The prediction log is full") for words in load.failures)
        holds = promise(f"{during:,} answers while it was full, then {len(load.failures):,} refused with 503", clear)
        holds &= promise(f"0 of {len(said):,} answers lost", said <= logged(registry.database))
        registry.database.close()
        return holds & _bounded(memory)


def _while_cut(server: Process, load: Load, cable: Cable, seconds: float) -> tuple[int, float]:
    """How many answers came, and by how many MB the server grew, while a part was away."""
    wait_for(lambda: len(load.answers) > 200, seconds=60)
    before, memory = len(load.answers), server.memory_mb
    cable.cut()
    _sleep(seconds)
    during, memory = len(load.answers) - before, server.memory_mb - memory
    cable.mend()
    return during, memory


def _bounded(memory: float) -> bool:
    return promise(f"memory grew by {memory:.0f} MB, bound {MEMORY_BOUND_MB:g} MB", memory < MEMORY_BOUND_MB)


def _sleep(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > until, seconds=seconds + 60)


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * 4096)
        except OSError:
            return


PARTS: dict[str, Callable[[Path, argparse.Namespace], bool]] = {
    "swaps": swaps,
    "kills": kills,
    "database": database,
    "online": online,
    "disk": disk,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to prove; all without")
    parser.add_argument("--requests", type=int, default=100_000, help="answered over ten swaps")
    parser.add_argument("--seconds", type=float, default=30.0, help="for which each part is taken away")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    holds = True
    for name in options.parts or PARTS:
        began = time.perf_counter()
        print(f"{name}: {PARTS[name].__doc__}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            holds &= PARTS[name](Path(folder), options)
        print(f"  {time.perf_counter() - began:.0f} s", flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
