"""The API in the foreground: one process, or several workers that share a port."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from touchline.cli.opening import Home, open_home, project_folders

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_DRAIN_SECONDS = 10
# A worker answers uvicorn's check once it has imported everything; after its 5 s a busy machine would never get there.
_START_SECONDS = 60
_PARENT_SECONDS = 1.0


def run_api(
    home: Home, folders: Sequence[Path], *, host: str, port: int, workers: int = 1, only_serving: bool = False
) -> None:
    """Serve until a signal ends the process; running requests are answered first."""
    import uvicorn

    from touchline.serving.http.predict_protocol import PredictProtocol
    from touchline.serving.telemetry.log_format import log_config
    from touchline.serving.telemetry.worker_metrics import ENVIRONMENT

    settings = home.settings
    options: dict[str, Any] = {"host": host, "port": port, "access_log": False}
    options["http"] = PredictProtocol
    options["timeout_graceful_shutdown"] = _DRAIN_SECONDS
    options["timeout_worker_healthcheck"] = _START_SECONDS
    options["log_level"] = settings.log_level.lower()
    options["log_config"] = log_config(settings.log_level, settings.log_format)
    if workers == 1:
        uvicorn.run(api_app(home, folders, host, only_serving=only_serving), **options)
        return
    # Each worker is a process, which reads from its environment which projects to serve.
    os.environ["TOUCHLINE_HOME"] = str(home.settings.home.absolute())
    os.environ["TOUCHLINE_PROJECTS"] = ",".join(str(folder) for folder in folders)
    os.environ["TOUCHLINE_HOST"] = host
    factory = serving_worker if only_serving else full_worker
    with TemporaryDirectory(prefix="touchline-figures-") as figures:
        os.environ[ENVIRONMENT] = figures
        uvicorn.run(f"{__name__}:{factory.__name__}", factory=True, workers=workers, **options)


def serving_worker() -> ASGIApp:
    """The application of one worker: only the serving routes."""
    return _worker(only_serving=True)


def full_worker() -> ASGIApp:
    """The application of one worker: the serving routes and `/api`."""
    return _worker(only_serving=False)


def _worker(*, only_serving: bool) -> ASGIApp:
    _end_with_parent()
    home = open_home()
    folders = project_folders(home, [])
    return api_app(home, folders, home.settings.host, only_serving=only_serving)


def _end_with_parent() -> None:
    """End this worker when its parent is killed: nobody would start it again, and its port would stay in use."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == parent.pid:  # it may be dead already
            time.sleep(_PARENT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="touchline_parent", daemon=True).start()


def api_app(home: Home, folders: Sequence[Path], host: str, *, only_serving: bool) -> ASGIApp:
    """The application of one process. Browsers may call it from the origins in the settings."""
    from touchline.cli.processes.apps import create_full_app, create_serving_app

    make = create_serving_app if only_serving else create_full_app
    app = make(home, folders, host=host)
    origins = home.settings.cors_origins
    if not origins:
        return app
    from starlette.middleware.cors import CORSMiddleware

    # Around the whole application, since the fast path of /predict runs before FastAPI's middleware.
    around = CORSMiddleware(app, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    # It leaves requests without an Origin as they are, and the protocol answers no other at once.
    around.front = app.front  # type: ignore[attr-defined]
    return around
