"""How fast predictions are served, beside FastAPI, MLflow, MLServer and BentoML, on the same model.

    python benchmarks/serving.py [floor] [speed] [peers] [features] [workers] [shadow] [bulk]
                                 [--envs FOLDER] [--seconds 4] [--rounds 3]

Without a part, all run. One LightGBM model of 30 features and 300 trees; wrk on loopback, one thread; each peer in an
environment of its own, made below --envs when it is not there. touchline runs with everything on: validation, routing,
prediction log into SQLite, metrics. The rivals of a round run one after another and rounds alternate; printed are
medians, with the least and the most of the rounds. wrk must be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from peers.runs import peer_python
from peers.serving_home import COLUMNS, ENTITIES, make_home, write_lua
from peers.serving_run import Rival, Running, Speed, spread, started, typical, wrk

PEERS = Path(__file__).with_name("peers")
PACKAGES = {
    "mlflow": ["mlflow==3.17.2", "lightgbm==4.7.0", "pandas", "scikit-learn", "uvicorn"],
    "mlserver": ["mlserver==1.7.1", "mlserver-lightgbm==1.7.1"],
    "bentoml": ["bentoml==1.4.39", "lightgbm==4.7.0", "pandas"],
}
MANY, ONE = 32, 1
BODIES = 1000
BULK_ROWS = 1_000_000


class Field:
    """The homes, bodies and rivals of one run."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.names = [f"x{index}" for index in range(COLUMNS)]
        self.rows = np.random.default_rng(9).normal(size=(BODIES, COLUMNS)).round(6).tolist()
        self.model = folder / "model.txt"
        self.model.write_text(make_home(folder / "home"))
        self.write("row.lua", lambda row: dict(zip(self.names, row, strict=True)))

    def write(self, name: str, ask: Callable[[list[float]], object]) -> None:
        """A script for wrk that posts what is asked about each row."""
        write_lua(self.folder / name, [json.dumps(ask(row)) for row in self.rows])

    def bodies(self) -> list[str]:
        """The bodies of requests by value."""
        return [json.dumps(dict(zip(self.names, row, strict=True))) for row in self.rows]

    def ask_once(self, server: Running) -> None:
        """One prediction; an error unless it is answered."""
        row = json.dumps(dict(zip(self.names, self.rows[0], strict=True))).encode()
        address = f"http://127.0.0.1:{server.port}{server.rival.path}"
        request = urllib.request.Request(address, row, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            json.load(answer)

    def touchline(self, *, workers: int = 1, home: str = "home", script: str = "row.lua", name: str = "") -> Rival:
        label = f"touchline, {name or f'{workers} worker' + 's' * (workers > 1)}"
        command = [sys.executable, str(PEERS / "serving_start.py"), "{port}", str(workers)]
        environment = {"BENCH_HOME": str(self.folder / home), "PYTHONPATH": str(PEERS)}
        return Rival(label, command, "/predict", self.folder / script, "/readyz", environment)

    def bare(self, *, script: str = "row.lua") -> Rival:
        return self._uvicorn("bare uvicorn", ["serving_bare:app"], script, ready="/")

    def constant(self) -> Rival:
        return self._uvicorn("FastAPI, a constant", ["serving_constant:app"], "row.lua", ready="/openapi.json")

    def _uvicorn(self, name: str, what: Sequence[str], script: str, *, ready: str) -> Rival:
        options = ["--port", "{port}", "--no-access-log", "--log-level", "warning", "--app-dir", str(PEERS)]
        command = [sys.executable, "-m", "uvicorn", *what, *options]
        return Rival(name, command, "/predict", self.folder / script, ready)

    def peers(self) -> list[Rival]:
        return [self._mlflow("signed"), self._mlflow("unsigned"), self._mlserver(), self._bentoml()]

    def _python(self, peer: str) -> Path:
        """The folder of commands of a peer's own environment."""
        return peer_python(self.options.envs, peer, PACKAGES[peer]).parent

    def _mlflow(self, kind: str) -> Rival:
        commands, saved = self._python("mlflow"), self.folder / f"mlflow_{kind}"
        save = [commands / "python", PEERS / "serving_mlflow.py", self.model, saved, str(COLUMNS), kind]
        subprocess.run(save, check=True, capture_output=True)
        self.write("mlflow.lua", lambda row: {"dataframe_split": {"columns": self.names, "data": [row]}})
        command = [str(commands / "mlflow"), "models", "serve", "-m", str(saved), "--env-manager", "local"]
        command += ["-h", "127.0.0.1", "-p", "{port}", "--workers", "1"]
        path = {"PATH": f"{commands}:{os.environ['PATH']}"}
        return Rival(f"mlflow serve, {kind}", command, "/invocations", self.folder / "mlflow.lua", "/ping", path)

    def _mlserver(self) -> Rival:
        commands, folder = self._python("mlserver"), self.folder / "mlserver"
        folder.mkdir()
        shutil.copy(self.model, folder / "model.bst")
        runtime = "mlserver_lightgbm.LightGBMModel"
        settings = {"name": "bench", "implementation": runtime, "parameters": {"uri": "./model.bst"}}
        (folder / "model-settings.json").write_text(json.dumps(settings))
        # No worker processes beside the server's own: the quicker of the two ways for one model.
        (folder / "settings.json").write_text(json.dumps({"parallel_workers": 0, "debug": False}))
        tensor = {"name": "rows", "shape": [1, COLUMNS], "datatype": "FP64"}
        self.write("mlserver.lua", lambda row: {"inputs": [{**tensor, "data": row}]})
        command = [str(commands / "python"), str(PEERS / "serving_mlserver.py"), str(folder)]
        path, ready = "/v2/models/bench/infer", "/v2/models/bench/ready"
        return Rival("MLServer", command, path, self.folder / "mlserver.lua", ready)

    def _bentoml(self) -> Rival:
        commands = self._python("bentoml")
        self.write("bento.lua", lambda row: {"rows": [row]})
        command = [str(commands / "bentoml"), "serve", "serving_bento:Scorer", "--port", "{port}"]
        command += ["--host", "127.0.0.1", "--working-dir", str(PEERS)]
        environment = {
            "BENCH_MODEL": str(self.model),
            "BENTOML_HOME": str(self.folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "true",
            "BENTOML_CONFIG_OPTIONS": "api_server.logging.access.enabled=false",
        }
        return Rival("BentoML, batching", command, "/predict", self.folder / "bento.lua", "/readyz", environment)


def compare(rivals: Sequence[Rival], options: argparse.Namespace) -> tuple[list[list[Speed]], list[Running]]:
    """Every rival's runs at 32 connections, rounds alternating; all are up at once, and idle but for one."""
    with ExitStack() as stack:
        servers = [stack.enter_context(started(rival)) for rival in rivals]
        speeds: list[list[Speed]] = [[] for _ in servers]
        for server in servers:
            wrk(server, connections=MANY, seconds=1)
        for _ in range(options.rounds):
            for server, found in zip(servers, speeds, strict=True):
                found.append(wrk(server, connections=MANY, seconds=options.seconds))
        for server, found in zip(servers, speeds, strict=True):
            say(server.rival.name, found, f"{server.memory_mb:4.0f} MB  {typical(found).cpu_micros:.1f} µs CPU")
    return speeds, servers


def say(name: str, speeds: Sequence[Speed], more: str = "") -> None:
    one = typical(speeds)
    errors = f"  {one.errors} ERRORS" if one.errors else ""
    print(
        f"  {name:<24} {one.per_second:8,.0f}/s ({spread(speeds)})  p50 {one.p50:.2f} ms  p99 {one.p99:.2f} ms  "
        f"{more}{errors}",
        flush=True,
    )


def target(what: str, value: float, limit: float, *, at_least: bool, unit: str = "") -> None:
    kept = value >= limit if at_least else value <= limit
    bound = "at least" if at_least else "at most"
    print(f"    {what}: {value:.2f}{unit}, {bound} {limit:g}{unit}: {'kept' if kept else 'MISSED'}", flush=True)


def floor(field: Field) -> None:
    """Beside an ASGI application that reads the body and answers a constant; servers on core 1, wrk on core 0.

    The processor time of a request is that of the server's process. Logged rows are moved into the database on core 0,
    as by the scheduler of `touchline up`.
    """
    write_keyed_home(field)
    for name, ours in (
        ("by value", field.touchline()),
        ("by key", field.touchline(home="keyed", script="key.lua", name="by key")),
    ):
        script = ours.script.name
        rivals = [_on_core_1(one) for one in (field.bare(script=script), field.constant(), ours)]
        if name == "by key":
            del rivals[1]  # it takes feature values
        os.sched_setaffinity(0, {0})
        with _draining(Path(ours.environment["BENCH_HOME"])):
            speeds, _ = compare(rivals, field.options)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        bare, mine = typical(speeds[0]), typical(speeds[-1])
        limit = 0.4 if name == "by value" else 0.2
        target(f"{name}: of the bare requests a second", mine.per_second / bare.per_second, limit, at_least=True)
        target(f"{name}: bare processor time, of ours", bare.cpu_micros / mine.cpu_micros, limit, at_least=True)
        if name == "by value":
            target("times the constant app's p99", mine.p99 / typical(speeds[1]).p99, 3, at_least=False)


@contextmanager
def _draining(home: Path) -> Iterator[None]:
    from touchline.predictions.database_writer import DatabaseWriter
    from touchline.predictions.drain_processes import DrainThread
    from touchline.storage import Database

    database = Database.open(f"sqlite:///{home / 'touchline.db'}")
    drain = DrainThread(home / "spool", DatabaseWriter(database))
    drain.ensure()
    try:
        yield
    finally:
        drain.stop(30)
        database.close()


def _on_core_1(rival: Rival) -> Rival:
    return replace(rival, command=["taskset", "-c", "1", *rival.command])


def write_keyed_home(field: Field) -> None:
    """The same release by entity key, and a script that asks for every entity."""
    if (field.folder / "keyed").exists():
        return
    make_home(field.folder / "keyed", is_keyed=True)
    customers = np.random.default_rng(10).permutation(ENTITIES).tolist()
    write_lua(field.folder / "key.lua", [json.dumps({"customer_id": f"c{number}"}) for number in customers])


def speed(field: Field) -> None:
    """Beside a FastAPI app that checks the same body and answers a constant."""
    options = field.options
    rivals = [field.touchline(), field.constant()]
    (ours, constant), _ = compare(rivals, options)
    a, b = typical(ours), typical(constant)
    target("of the constant app's requests a second", a.per_second / b.per_second, 0.65, at_least=True)
    target("times its p99", a.p99 / b.p99, 3, at_least=False)
    print("  one connection")
    with started(rivals[0]) as us, started(rivals[1]) as them:
        alone: list[list[Speed]] = [[], []]
        for _ in range(options.rounds):
            for server, found in zip((us, them), alone, strict=True):
                found.append(wrk(server, connections=ONE, seconds=2))
        for server, found in zip((us, them), alone, strict=True):
            say(server.rival.name, found)
        target("times its p50", typical(alone[0]).p50 / typical(alone[1]).p50, 2, at_least=False)
        target("memory of the worker", us.memory_mb, 200, at_least=False, unit=" MB")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with started(field.touchline()) as server:
            field.ask_once(server)
            times.append(time.perf_counter() - began)
    print(f"  from a cold start to the first answered prediction: {min(times):.2f} to {max(times):.2f} s")
    target("ready", statistics.median(times), 1.5, at_least=False, unit=" s")


def peers(field: Field) -> None:
    """Beside MLflow, MLServer and BentoML."""
    (ours, *theirs), _ = compare([field.touchline(), *field.peers()], field.options)
    names = ("mlflow that checks columns, too", "mlflow that checks nothing", "MLServer", "BentoML")
    for name, speeds, times in zip(names, theirs, (30, 30, 2, 5), strict=True):
        target(f"times {name}", typical(ours).per_second / typical(speeds).per_second, times, at_least=True)


def features(field: Field) -> None:
    """The same release by entity key, from SQLite, and with the values in the request. Every entity is asked for."""
    write_keyed_home(field)
    field.write("values.lua", lambda row: {"features": dict(zip(field.names, row, strict=True))})
    by_key = field.touchline(home="keyed", script="key.lua", name="by key")
    by_values = field.touchline(home="keyed", script="values.lua", name="its values given")
    (keyed, _, plain), _ = compare([by_key, by_values, field.touchline(name="without views")], field.options)
    ratio = typical(keyed).per_second / typical(plain).per_second
    target("of the requests a second without", ratio, 0.65, at_least=True)


def workers(field: Field) -> None:
    """Two workers beside one."""
    (one, two), _ = compare([field.touchline(), field.touchline(workers=2)], field.options)
    target("times one worker", typical(two).per_second / typical(one).per_second, 1.5, at_least=True)


def shadow(field: Field) -> None:
    """With a second model of the same size that predicts every row beside the answer, and without.

    The latency is that of about 1,000 requests a second: two cores that are busy show who waits for a core.
    """
    make_home(field.folder / "shadowed", has_shadow=True)
    rivals = [field.touchline(home="shadowed", name="with a shadow"), field.touchline(name="without")]
    (beside, alone), _ = compare(rivals, field.options)
    target("of the requests a second without", _ratio(beside, alone, "per_second"), 0.6, at_least=True)
    target("times its processor time", _ratio(beside, alone, "cpu_micros"), 1 / 0.6, at_least=False)
    write_lua(field.folder / "paced.lua", field.bodies(), pause_ms=MANY)
    print("  about 1,000 requests a second")
    with started(rivals[0]) as us, started(rivals[1]) as them:
        calm: list[list[Speed]] = [[], []]
        for _ in range(2 * field.options.rounds):
            for server, found in zip((us, them), calm, strict=True):
                found.append(wrk(_paced(server, field), connections=MANY, seconds=field.options.seconds))
        for server, found in zip((us, them), calm, strict=True):
            say(server.rival.name, found, f"{typical(found).cpu_micros:.1f} µs CPU")
        with urllib.request.urlopen(f"http://127.0.0.1:{us.port}/health") as answer:
            left_out = json.load(answer)["models"]["bench"]["rollout"].get("left_out", 0)
        print(f"  rows that the shadow left out, its queue being full: {left_out}")
        target("times its p99", _ratio(calm[0], calm[1], "p99"), 1.1, at_least=False)


def _ratio(ours: Sequence[Speed], theirs: Sequence[Speed], figure: str) -> float:
    """The median over rounds of the ratio of two runs that followed each other: other work disturbs both alike."""
    return statistics.median(getattr(a, figure) / getattr(b, figure) for a, b in zip(ours, theirs, strict=True))


def _paced(server: Running, field: Field) -> Running:
    return replace(server, rival=replace(server.rival, script=field.folder / "paced.lua"))


def bulk(field: Field) -> None:
    """A million rows from a Parquet file to a Parquet file, by the release alone."""
    from tests.serving.bundles import Registry
    from touchline.clock import SystemClock
    from touchline.registry import Journal, Releases
    from touchline.serving import score_frame
    from touchline.storage import Database, open_objects

    home = field.folder / "home"
    rows = np.random.default_rng(8).normal(size=(BULK_ROWS, COLUMNS))
    pl.DataFrame(rows, schema=[f"x{index}" for index in range(COLUMNS)]).write_parquet(field.folder / "rows.parquet")
    del rows
    database = Database.open(f"sqlite:///{home / 'touchline.db'}")
    releases = Releases(Registry(database, open_objects(str(home / "objects"))))
    began = time.perf_counter()
    state = Journal(database, SystemClock()).state("bench")
    assert state.production is not None
    release = releases.open(state.releases[state.production])
    found = score_frame(release, None, pl.read_parquet(field.folder / "rows.parquet"), now=datetime.now(UTC))
    found.frame.write_parquet(field.folder / "answers.parquet")
    seconds = time.perf_counter() - began
    print(f"  {found.rows:,} rows, {found.refused} refused, in {seconds:.1f} s ({found.rows / seconds:,.0f} rows/s)")
    target("a million rows in", seconds, 60, at_least=False, unit=" s")


PARTS: dict[str, Callable[[Field], None]] = {
    "floor": floor,
    "speed": speed,
    "peers": peers,
    "features": features,
    "workers": workers,
    "shadow": shadow,
    "bulk": bulk,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure; all without")
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where the peers' environments lie")
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    options.envs = options.envs.absolute()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt install wrk")
    packages = " ".join(f"{name} {version(name)}" for name in ("fastapi", "uvicorn", "pydantic", "lightgbm", "numpy"))
    pinned = " ".join(f"{name} {packages[0].partition('==')[2]}" for name, packages in PACKAGES.items())
    print(f"Python {platform.python_version()}, {packages}; peers: {pinned}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {MANY} connections unless said", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        field = Field(Path(folder), options)
        for name in options.parts or PARTS:
            print(f"{name}: {(PARTS[name].__doc__ or '').strip()}", flush=True)
            PARTS[name](field)


if __name__ == "__main__":
    main()
