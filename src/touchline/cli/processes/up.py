"""The processes of `touchline up`: the API and MLflow, started in the background."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from touchline import registry
from touchline.cli.opening import Home
from touchline.cli.processes import supervisor
from touchline.cli.processes.ports import require_free, validate_host
from touchline.cli.server_client import api_url, mlflow_url
from touchline.errors import ProcessFailed, ServerRefused

if TYPE_CHECKING:
    import httpx

    from touchline.project import LoadedProject

_READY_SECONDS = 240.0
_REQUEST_SECONDS = 15.0
_POLL_SECONDS = 0.1


def bring_up(
    home: Home, loaded: Sequence[LoadedProject], *, answering: Collection[str], on_progress: Callable[[str], None]
) -> None:
    """Start the processes of this home; running ones stay when neither the declaration nor a setting changed.

    `answering` names the projects with a release in Production: the others have none to wait for.
    """
    processes = required_processes(home, loaded)
    fingerprint = _fingerprint(home, processes, loaded)
    running = supervisor.running(home.settings.home)
    if running is not None and running.fingerprint == fingerprint:
        wait_until_ready(home, answering, on_progress)
        return
    validate_host(home.settings.host)
    if running is not None:
        on_progress("the declaration or a setting changed: starting the processes again")
        supervisor.stop(home.settings.home)
    require_free(home.settings.host, home.settings.port, setting="TOUCHLINE_PORT")
    if home.settings.mlflow_tracking_uri is None:
        require_free(home.settings.host, home.settings.mlflow_port, setting="TOUCHLINE_MLFLOW_PORT")
    on_progress("starting the API and MLflow")
    supervisor.start(home.settings.home, processes, fingerprint=fingerprint)
    wait_until_ready(home, answering, on_progress)


def required_processes(home: Home, loaded: Sequence[LoadedProject]) -> list[supervisor.Process]:
    """The API with its serving routes, the MLflow UI unless a server is set, the watch of alerts, the scheduler."""
    settings = home.settings
    environment = {
        "TOUCHLINE_HOME": str(settings.home.absolute()),
        "TOUCHLINE_PROJECTS": ",".join(str(project.folder) for project in loaded),
    }
    api = (sys.executable, "-m", "touchline.cli.main", "serve", "--host", settings.host, "--port", str(settings.port))
    processes = [supervisor.Process("api", api, environment)]
    if settings.mlflow_tracking_uri is None:
        processes.append(mlflow_process(home))
    if any(project.project.alerts for project in loaded):
        watch = (sys.executable, "-m", "touchline.cli.main", "alerts", "watch")
        processes.append(supervisor.Process("alerts", watch, environment))
    if settings.scheduler:
        schedule = (sys.executable, "-m", "touchline.cli.main", "schedule", "run")
        processes.append(supervisor.Process("scheduler", schedule, environment))
    return processes


def mlflow_process(home: Home) -> supervisor.Process:
    """The MLflow UI over this home's runs."""
    settings = home.settings
    registry.adopt_artifacts(settings.tracking_uri, home.folder / "mlartifacts")
    command = (
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", settings.tracking_uri),
        *("--default-artifact-root", (settings.home.absolute() / "mlartifacts").as_uri()),
        *("--host", settings.host, "--port", str(settings.mlflow_port), "--workers", "1"),
    )
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        # No code here uses MLflow's job workers.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return supervisor.Process("mlflow", command, environment)


def wait_until_ready(home: Home, answering: Collection[str], on_progress: Callable[[str], None]) -> None:
    """Wait for the API and these projects, then for MLflow; raises `ProcessFailed` with the end of the log."""
    settings = home.settings

    def answers(response: httpx.Response) -> bool:
        projects = response.json().get("projects", {})
        if response.is_success or (len(answering) < len(projects) and all(projects.get(one) for one in answering)):
            return True
        require_no_refusal(api_url(home), answering)
        return False

    _wait(f"{api_url(home)}/readyz", "api", answers, home=settings.home, on_progress=on_progress)
    if settings.mlflow_tracking_uri is None:
        url = f"{mlflow_url(home)}/health"
        _wait(url, "mlflow", lambda response: response.is_success, home=settings.home, on_progress=on_progress)


def require_no_refusal(address: str, answering: Collection[str]) -> None:
    """Raise `ServerRefused` where the server has no release of one of these projects and says that it refused one.

    It tries a refused release again only when the journal moves, so waiting brings nothing.
    """
    import httpx

    models = httpx.get(f"{address}/health", timeout=_REQUEST_SECONDS).json().get("models", {})
    for name in answering:
        state = models.get(name, {})
        if state.get("release") is None and "refused" in state:
            text = f"{name}: {state['refused']['reason']} Next: touchline doctor --repair; touchline stop; touchline up"
            raise ServerRefused(f"{address}/readyz", httpx.codes.SERVICE_UNAVAILABLE, text, needs_key=False)


def _wait(
    url: str,
    name: str,
    is_ready: Callable[[httpx.Response], bool],
    *,
    home: Path,
    on_progress: Callable[[str], None],
) -> None:
    import httpx

    on_progress(f"waiting for {name}")
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if is_ready(httpx.get(url, timeout=_REQUEST_SECONDS)):
                return
        except httpx.TransportError:
            if supervisor.running(home) is None:
                break
        time.sleep(_POLL_SECONDS)
    log = supervisor.log_file(home, name)
    raise ProcessFailed(name, log, "\n".join(log.read_text(errors="replace").splitlines()[-20:]))


def _fingerprint(home: Home, processes: Sequence[supervisor.Process], loaded: Sequence[LoadedProject]) -> str:
    """A hash that changes with a setting, a command line, a project's code or the version of touchline."""
    from importlib.metadata import version

    parts = [repr(process) for process in processes] + [project.code_hash for project in loaded]
    parts += [home.settings.model_dump_json(exclude={"api_key"}), version("touchline")]
    return sha256("\n".join(parts).encode()).hexdigest()
