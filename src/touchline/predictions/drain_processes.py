"""Who drains the spool of a serving process: the scheduler, another server of the machine, or a child of its own."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Any, Protocol

import orjson

from touchline.predictions.database_writer import DatabaseWriter
from touchline.predictions.spool_drain import DrainLimits, RowWriter, SpoolDrain, is_drained
from touchline.storage import Database

_log = logging.getLogger("touchline.predictions.drain_processes")

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0
_HEALTHY_AFTER_SECONDS = 60.0
_DEATH_SECONDS = 0.01
_END = b"end\n"


class Drains(Protocol):
    """Sees to it that the spool is drained. Used by the log's thread alone."""

    def ensure(self) -> None:
        """Start a drain where none runs. Called again and again while rows wait."""

    def stop(self, within_seconds: float) -> None:
        """Let a drain that this process has started write everything once more, and end it."""


class DrainThread:
    """A drain in a thread: of the scheduler, which answers no requests, and of tests."""

    def __init__(self, root: Path, writer: RowWriter, limits: DrainLimits | None = None) -> None:
        self._drain, self._is_ending = SpoolDrain(root, writer, limits), threading.Event()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._drain.run, args=(self._is_ending,), name="touchline_spool_drain", daemon=True
            )
            self._thread.start()

    def stop(self, within_seconds: float) -> None:
        self._is_ending.set()
        if self._thread is not None:
            self._thread.join(within_seconds)


class DrainProcess:
    """A child process, started with the first row unless another process drains.

    It ends with this process, however that ends: its standard input is closed then. What waits is written before.
    `module` is the one that it runs, which calls `drain_until_parent_ends`; `order` says what to write to.
    """

    def __init__(self, root: Path, module: str, order: Mapping[str, Any], limits: DrainLimits | None = None) -> None:
        self._root, self._limits = root, limits or DrainLimits()
        self._module, self._order = module, order
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS

    def ensure(self) -> None:
        now = time.monotonic()
        if self._child is not None:
            status = self._child.poll()
            if status is None:
                return
            if status:
                _log.error("the process that drains %s ended with status %d; what waits is kept", self._root, status)
            self._child = None
        if now < self._retry_at or is_drained(self._root):
            return
        if now - self._started_at > _HEALTHY_AFTER_SECONDS:
            self._retry_seconds = _FIRST_RETRY_SECONDS
        self._started_at = now
        self._retry_at = now + self._retry_seconds
        self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)
        self._start()

    def stop(self, within_seconds: float) -> None:
        if self._child is None:
            return
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.write(_END)
            self._child.stdin.close()
        try:
            self._child.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _start(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", self._module], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert self._child.stdin is not None
        order = {
            "parent": os.getpid(),
            "root": str(self._root.absolute()),
            **self._order,  # with passwords, so neither an argument nor a variable
            "every_seconds": self._limits.every_seconds,
            "max_backoff_seconds": self._limits.max_backoff_seconds,
        }
        with suppress(OSError):  # it has died already; `ensure` starts another
            self._child.stdin.write(orjson.dumps(order) + b"\n")
            self._child.stdin.flush()


class DrainChild(DrainProcess):
    """A child process that writes to the database."""

    def __init__(self, root: Path, database: Database, limits: DrainLimits | None = None) -> None:
        super().__init__(root, __name__, {"database": database.url}, limits)


def drain_until_parent_ends(
    open_writer: Callable[[Mapping[str, Any]], AbstractContextManager[RowWriter]], *, idle_seconds: float = inf
) -> None:
    """The whole work of the child process. `open_writer` opens what the order names."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the parent's whole group; the parent decides
        signal.signal(number, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    order = orjson.loads(line)
    is_ending = threading.Event()

    def wait_for_end() -> None:
        if sys.stdin.buffer.read() != _END:
            while os.getppid() == order["parent"]:  # it is dying, and still has its segment open
                time.sleep(_DEATH_SECONDS)
        is_ending.set()

    threading.Thread(target=wait_for_end, name="touchline_parent", daemon=True).start()
    limits = DrainLimits(order["every_seconds"], order["max_backoff_seconds"])
    with open_writer(order) as writer:
        SpoolDrain(Path(order["root"]), writer, limits).run_unless_drained(is_ending, idle_seconds=idle_seconds)


@contextmanager
def _database_writer(order: Mapping[str, Any]) -> Iterator[RowWriter]:
    database = Database.open(order["database"])
    yield DatabaseWriter(database)
    database.close()


if __name__ == "__main__":
    drain_until_parent_ends(_database_writer)
