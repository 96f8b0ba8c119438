"""Alerts beside the commands: check after one, deliver in a process of its own, watch while the server runs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import typer

from touchline import alerts, automation
from touchline.cli.opening import Home, OpenedProject
from touchline.cli.processes.supervisor import log_file
from touchline.cli.server_client import api_url
from touchline.errors import TouchlineError, failure_in_words

if TYPE_CHECKING:
    from touchline.alerts import DeliveryReport, ServingFigures

_log = logging.getLogger("touchline.alerts")
_DELIVER_SECONDS: Final = 1.0
_CHECK_EVERY: Final = 30
_READ_EVERY: Final = 15
_WINDOW: Final = timedelta(minutes=5)
_READ_TIMEOUT_SECONDS: Final = 5.0


@contextmanager
def alerts_after(opened: OpenedProject) -> Iterator[None]:
    """Check the project's alerts after the work in the block, whether it was done or failed.

    The work's result stands: alerts that cannot be checked are noted on standard error.
    """
    with alerts_after_loading(lambda: opened):
        yield


@contextmanager
def alerts_after_loading(load: Callable[[], OpenedProject]) -> Iterator[None]:
    """The same for a project whose code is imported after the work."""
    try:
        yield
    finally:
        _pass_on(load)


def _pass_on(load: Callable[[], OpenedProject]) -> None:
    try:
        opened = load()
        for failure in automation.check_alerts(opened.project, opened.stores):
            typer.echo(f"note: alerts: {failure}", err=True)
        start_delivery(opened)
    except (TouchlineError, OSError) as failure:
        typer.echo(f"note: alerts could not be checked: {failure_in_words(failure)}", err=True)


def start_delivery(opened: OpenedProject) -> None:
    """Let another process deliver the messages that wait; nothing where none does."""
    if opened.project.alerts is None or not outbox_of(opened).has_waiting():
        return
    command = (sys.executable, "-m", "touchline.cli.main", "alerts", "deliver", "-p", str(opened.loaded.folder))
    home = opened.home.settings.home.absolute()
    with log_file(home, "alerts").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "TOUCHLINE_HOME": str(home)},
            start_new_session=True,
        )
    # The thread takes the end of the process; it goes on when this process ends first.
    threading.Thread(target=process.wait, name="touchline_alert_delivery", daemon=True).start()


def outbox_of(opened: OpenedProject) -> alerts.Outbox:
    return alerts.Outbox(opened.stores.database, opened.name)


def channels_of(opened: OpenedProject) -> Mapping[str, alerts.Channel]:
    """The declared targets, with the secrets of this process's environment."""
    networks = opened.home.settings.webhook_networks
    return alerts.open_channels(opened.project.alerts, os.environ, networks)


def deliver(opened: OpenedProject, *, wait_seconds: float = 30.0) -> DeliveryReport:
    """One pass over the messages that wait."""
    return alerts.deliver_due(outbox_of(opened), channels_of(opened), clock=opened.clock, wait_seconds=wait_seconds)


@dataclass
class Watch:
    """Checks and delivers the alerts of the projects of a home until `stop` is set."""

    home: Home
    projects: Sequence[OpenedProject]
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._readings: dict[str, deque[ServingFigures]] = {one.name: deque() for one in self.projects}

    def run(self) -> None:
        """Look every second for messages, every 15 seconds at the server, every 30 seconds at the stored states."""
        second = 0
        while not self.stop.is_set():
            if second % _READ_EVERY == 0:
                self._guarded("the server's figures", self.read_server)
            for one in self.projects:
                if second % _CHECK_EVERY == 0:
                    self._guarded(f"{one.name}: the checks", partial(self._check, one))
                self._guarded(f"{one.name}: the delivery", partial(deliver, one, wait_seconds=_DELIVER_SECONDS))
            second += 1
            self.stop.wait(1.0)

    def read_server(self) -> None:
        """Read the server's counters, and observe what happened since the oldest reading of the window."""
        metrics = _read_metrics(self.home)
        if metrics is None:
            return
        for one in self.projects:
            at = one.clock.wall()
            current = alerts.read_figures(metrics, at=at).get(one.name)
            if current is None:
                continue
            readings = self._readings[one.name]
            counts = current.since(readings[0]) if readings else None
            if readings and counts is None:
                readings.clear()  # the server was started again
            readings.append(current)
            while at - readings[0].at > _WINDOW:
                readings.popleft()
            alerting = automation.alerting_of(one.project, one.stores)
            for observation in alerts.observe_serving(one.name, counts) if counts else ():
                alerts.report_state(alerting, observation)

    def _check(self, opened: OpenedProject) -> None:
        for failure in automation.check_alerts(opened.project, opened.stores):
            _log.warning("%s: %s", opened.name, failure)

    def _guarded(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception:  # noqa: BLE001  the watch goes on whatever one project's code does
            _log.exception("%s failed; tried again soon", what)


def _read_metrics(home: Home) -> str | None:
    """The text of the server's `/metrics`; None while it does not answer."""
    import httpx

    headers = {"X-API-Key": home.settings.api_key} if home.settings.api_key else {}
    try:
        response = httpx.get(f"{api_url(home)}/metrics", headers=headers, timeout=_READ_TIMEOUT_SECONDS)
    except httpx.TransportError:
        return None
    return response.text if response.is_success else None
