"""Two checkouts of touchline on the same work, in turns: has a change made anything slower?

    python benchmarks/commits.py OLD_CHECKOUT [ingest] [offline] [online] [serving] [training] [--rounds 5]

Each checkout needs its environment (`make setup-dev` in it) and runs its own benchmark code in it. The two take turns,
since the speed of a machine drifts; printed are medians with the least and the most, and the median ratio of the pairs,
new to old. wrk must be installed for `serving`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from features_offline import SMALL, write_files
from features_online import write_history
from ingest import MEASUREMENTS, _write_tables
from peers.serving_run import Rival, started, wrk

HERE = Path(__file__).parents[1]
Measure = Callable[[Path], dict[str, float]]


class Comparison:
    """The two checkouts, and figures of each by name."""

    def __init__(self, old: Path, rounds: int) -> None:
        self.checkouts = {"old": old, "new": HERE}
        self.rounds = rounds

    def run(self, measure: Measure) -> None:
        """Measure both in turns and print each figure beside the other checkout's."""
        figures: dict[str, dict[str, list[float]]] = {}
        for turn in range(self.rounds):
            order = list(self.checkouts.items())
            for name, checkout in order if turn % 2 == 0 else reversed(order):
                for figure, value in measure(checkout).items():
                    figures.setdefault(figure, {}).setdefault(name, []).append(value)
        for figure, values in figures.items():
            print_figure(figure, values["old"], values["new"])


def print_figure(figure: str, old: Sequence[float], new: Sequence[float]) -> None:
    """Both medians, their ranges, and the median ratio of the pairs."""
    ratios = [after / before for before, after in zip(old, new, strict=True)]
    print(
        f"  {figure:<34} old {statistics.median(old):10.4g} ({min(old):.4g} to {max(old):.4g})   "
        f"new {statistics.median(new):10.4g} ({min(new):.4g} to {max(new):.4g})   "
        f"new / old {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
        flush=True,
    )


def child(checkout: Path, *arguments: str) -> dict[str, float]:
    """The last line of JSON that a checkout's own Python prints."""
    command = [str(checkout / ".venv/bin/python"), *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def ingest(comparison: Comparison, folder: Path) -> None:
    """A million rows checked and ingested; seconds."""
    _write_tables(folder, 1_000_000)
    names = [name for name in MEASUREMENTS if "Pydantic" not in name]

    def measure(checkout: Path) -> dict[str, float]:
        script = str(checkout / "benchmarks/ingest.py")
        return {name: child(checkout, script, "--one", name, str(folder))["seconds"] for name in names}

    comparison.run(measure)


def offline(comparison: Comparison, folder: Path) -> None:
    """100,000 examples joined to two histories of 500,000 rows; seconds."""
    write_files(folder, SMALL)
    job = json.dumps({"engine": "touchline", "folder": str(folder), "size": asdict(SMALL), "repeats": 5})

    def measure(checkout: Path) -> dict[str, float]:
        result = child(checkout, str(checkout / "benchmarks/features_offline.py"), "--job", job)
        return {"as-of join": statistics.median(result["seconds"])}  # type: ignore[arg-type]  # a list in this figure

    comparison.run(measure)


def online(comparison: Comparison, folder: Path) -> None:
    """SQLite: one entity and a hundred read by the serving path, 10,000 rows materialized; seconds."""
    history = folder / "stats.parquet"
    write_history(history)

    def measure(checkout: Path) -> dict[str, float]:
        with tempfile.TemporaryDirectory(dir=folder) as home:
            job = {"history": str(history), "store": "sqlite", "location": f"{home}/{{number}}.db", "repeats": 3}
            result = child(checkout, str(checkout / "benchmarks/features_online.py"), "--job", json.dumps(job))
        names = {"read_1": "one entity", "read_100": "a hundred", "materialize": "materialize"}
        return {label: statistics.median(result[name]) for name, label in names.items()}  # type: ignore[arg-type]

    comparison.run(measure)


MAKE_HOME = """
import sys, json; sys.path[:0] = [{peers!r}]
from pathlib import Path
from serving_home import make_home
make_home(Path({home!r}), is_keyed={keyed})
print(json.dumps({{}}))
"""


def rivals_of(comparison: Comparison, folder: Path) -> dict[tuple[Path, str], Rival]:
    """The server of each checkout over a home of its own, with and without features from the online store."""
    rivals = {}
    for name, checkout in comparison.checkouts.items():
        for script, keyed in (("values", False), ("key", True)):
            home = folder / f"{name}_{script}"
            peers = str(checkout / "benchmarks/peers")
            child(checkout, "-c", MAKE_HOME.format(peers=peers, home=str(home), keyed=keyed))
            command = [str(checkout / ".venv/bin/python"), "-m", "uvicorn", "serving_app:make", "--factory"]
            command += ["--port", "{port}", "--no-access-log", "--log-level", "warning", "--app-dir", peers]
            environment = {"BENCH_HOME": str(home)}
            rivals[checkout, script] = Rival(
                f"{name} {script}", command, "/predict", folder / f"{script}.lua", "/readyz", environment
            )
    return rivals


def serving(comparison: Comparison, folder: Path) -> None:
    """Requests a second at 32 connections, by values and by entity key; seconds to the first answered prediction."""
    from peers.serving_home import COLUMNS, ENTITIES, write_lua

    rows = [{f"x{index}": (row * 31 + index * 7) % 97 / 10 for index in range(COLUMNS)} for row in range(1000)]
    write_lua(folder / "values.lua", [json.dumps(row) for row in rows])
    keys = [json.dumps({"customer_id": f"c{(row * 7919) % ENTITIES}"}) for row in range(ENTITIES)]
    write_lua(folder / "key.lua", keys)
    rivals = rivals_of(comparison, folder)
    with ExitStack() as stack:
        servers = {key: stack.enter_context(started(rival)) for key, rival in rivals.items()}
        for server in servers.values():
            wrk(server, connections=32, seconds=2)

        def measure(checkout: Path) -> dict[str, float]:
            values = wrk(servers[checkout, "values"], connections=32, seconds=4)
            key = wrk(servers[checkout, "key"], connections=32, seconds=4)
            one = wrk(servers[checkout, "values"], connections=1, seconds=2)
            if values.errors or key.errors or one.errors:
                raise SystemExit("a server answered with an error")
            return {
                "s per 1,000 requests, by values": 1000 / values.per_second,
                "s per 1,000 requests, by key": 1000 / key.per_second,
                "p50 of one connection, ms": one.p50,
                "p99 of 32 connections, ms": values.p99,
                "by key, of the rate by values": key.per_second / values.per_second,
            }

        comparison.run(measure)

    def start(checkout: Path) -> dict[str, float]:
        with started(rivals[checkout, "values"]) as server:
            wrk(server, connections=1, seconds=1)
            return {"ready, s": server.ready_seconds, "memory, MB": server.memory_mb}

    comparison.run(start)


def training(comparison: Comparison, folder: Path) -> None:
    """`touchline train` of both samples in a home of its own, from ingest to the recorded version; seconds."""

    def measure(checkout: Path) -> dict[str, float]:
        seconds = {}
        for project in ("football", "leads"):
            with tempfile.TemporaryDirectory(dir=folder) as home:
                command = [str(checkout / ".venv/bin/touchline"), "train", "-p", project, "--json"]
                environment = {**os.environ, "TOUCHLINE_HOME": home}
                began = time.perf_counter()
                subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
                seconds[f"train {project}"] = time.perf_counter() - began
        return seconds

    comparison.run(measure)


PARTS = {"ingest": ingest, "offline": offline, "online": online, "serving": serving, "training": training}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="a checkout of the older commit, with its environment")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    comparison = Comparison(options.old.resolve(), options.rounds)
    for name in options.parts or PARTS:
        print(f"{name}: {(PARTS[name].__doc__ or '').strip()}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](comparison, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
