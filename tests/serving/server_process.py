"""A server in a process of its own, as it runs in production: for kills, swaps under load and measurements."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers import spare_port
from tests.serving.builders import wait_for
from tests.serving.bundles import PROJECT, Registry
from touchline.clock import SystemClock
from touchline.features import FeatureReader, open_online_store
from touchline.predictions import LogLimits
from touchline.predictions.spool_drain import DrainLimits
from touchline.registry import LoadedRelease
from touchline.serving import Limits, ServedProject, Server, ServerOptions, ShadowProcess, create_app
from touchline.storage import Database, open_objects

_CHECKOUT = Path(__file__).parents[2]
# As `touchline serve` starts it.
_SERVE = """
import sys
import uvicorn
from touchline.serving.http.predict_protocol import PredictProtocol

options = {"http": PredictProtocol, "access_log": False, "log_level": "error", "timeout_graceful_shutdown": 5}
options["timeout_worker_healthcheck"] = 60
port, workers = map(int, sys.argv[1:])
uvicorn.run("tests.serving.server_process:make", factory=True, port=port, workers=workers, app_dir=".", **options)
"""


def make() -> Server:
    """The application of the home in the environment; each worker process makes its own."""
    project, database = opened()
    return create_app(
        [project],
        database=database,
        spool=Path(os.environ["SERVER_HOME"]) / "spool",
        # The tests of other workers share the cores: that requests wait for them is no overload of this server.
        options=ServerOptions(
            Limits(lag_seconds=60.0), log_limits=LogLimits(drain=DrainLimits(max_backoff_seconds=0.5))
        ),
    )


def opened() -> tuple[ServedProject, Database]:
    """The project and its database, for a worker and for the process of a shadow."""
    home = Path(os.environ["SERVER_HOME"])
    database = Database.open(os.environ.get("SERVER_DATABASE") or f"sqlite:///{home / 'touchline.db'}")
    clock = SystemClock()
    stores = Registry(database, open_objects(os.environ.get("SERVER_OBJECTS") or str(home / "objects")))
    is_remote = "SERVER_REDIS" in os.environ
    project = ServedProject(
        PROJECT, stores.source(), clock, _open_reader, is_store_remote=is_remote, shadow_drains=_shadow_drains
    )
    return project, database


def _shadow_drains(root: Path, limits: DrainLimits) -> ShadowProcess:
    return ShadowProcess(root, f"{__name__}:opened", [], limits)


def _open_reader(release: LoadedRelease) -> FeatureReader | None:
    if not release.views:
        return None
    store = open_online_store("redis", os.environ["SERVER_REDIS"], timeout_seconds=60)
    return FeatureReader(release.views, release.columns, store)


@dataclass(frozen=True)
class Process:
    """A running server."""

    pid: int
    address: str
    ready_seconds: float

    @property
    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1e3

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


@contextmanager
def a_process(home: Path, *, workers: int = 1, **where: str) -> Iterator[Process]:
    """A server over a home, ready. `where` names what lies elsewhere: database=URL, redis=URL, objects=FOLDER."""
    port = spare_port()
    command = [sys.executable, "-c", _SERVE, str(port), str(workers)]
    environment = {**os.environ, "SERVER_HOME": str(home), "OMP_NUM_THREADS": "1"}
    environment |= {f"SERVER_{name.upper()}": url for name, url in where.items()}
    started = time.monotonic()
    with (home / "server.log").open("ab") as log:
        child = subprocess.Popen(command, cwd=_CHECKOUT, env=environment, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _is_ready(address))
        yield Process(child.pid, address, time.monotonic() - started)
        child.terminate()
        child.wait(60)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=60).status_code == 200
    except httpx.TransportError:
        return False
