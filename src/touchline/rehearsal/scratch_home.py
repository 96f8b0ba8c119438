"""The scratch home of one policy: stores, a clock that the rehearsal moves, and checkpoints after finished steps."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from touchline.automation import Stores
from touchline.clock import Clock
from touchline.features import open_online_store
from touchline.registry import UntrackedRuns, read_versions
from touchline.storage import Database, open_objects

_DATABASES = ("touchline.db", "online.db")
_STATE = "checkpoint.json"


@dataclass
class RehearsalClock:
    """Project time and wall time are one instant, which only the rehearsal moves."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def wall(self) -> datetime:
        return self.instant

    def move_to(self, instant: datetime) -> None:
        self.instant = max(self.instant, instant)


def open_scratch(folder: Path, clock: Clock) -> Stores:
    """The stores of a scratch home; MLflow takes no part in it."""
    folder.mkdir(parents=True, exist_ok=True)
    database = Database.open(f"sqlite:///{folder / 'touchline.db'}")
    database.migrate()
    online = open_online_store("sqlite", str(folder / "online.db"))

    def newest_version(project: str) -> int:
        return max((one.version for one in read_versions(stores, project)), default=0)

    tracking = UntrackedRuns(newest_version)
    stores = Stores(database, open_objects(str(folder / "objects")), clock, lambda: online, lambda: tracking)
    return stores


class Checkpoints:
    """Copies of a scratch home's databases and its log of steps, as they were after a finished step.

    A kill in the middle of a step leaves files that no database names; the step is done again from the copy.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder, self._log = folder, log
        self._state = folder / _STATE

    def restore(self) -> dict[str, Any] | None:
        """Bring the home back to the last finished step; None where there is none."""
        for name in _DATABASES:
            for end in ("", "-wal", "-shm"):
                (self._folder / f"{name}{end}").unlink(missing_ok=True)
        if not self._state.exists():
            self._log.unlink(missing_ok=True)
            return None
        state: dict[str, Any] = json.loads(self._state.read_text())
        for name in _DATABASES:
            copy = self._folder / f"{name}.{state['copy']}"
            if copy.exists():
                _copy_database(copy, self._folder / name)
        with self._log.open("r+b") as log:
            log.truncate(state["log_bytes"])
        return state

    def write(self, step: int, instant: datetime, line: dict[str, Any]) -> None:
        """Add a finished step to the log, and make it the one to resume after."""
        with self._log.open("ab") as log:
            log.write(json.dumps(line).encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())
            size = log.tell()
        copy = step % 2
        for name in _DATABASES:
            if (self._folder / name).exists():
                _copy_database(self._folder / name, self._folder / f"{name}.{copy}")
        state = {"step": step, "instant": instant.isoformat(), "copy": copy, "log_bytes": size}
        fresh = self._state.with_suffix(".new")
        fresh.write_text(json.dumps(state))
        fresh.replace(self._state)

    def read(self) -> list[dict[str, Any]]:
        """The finished steps, oldest first."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_bytes().splitlines()]


def last_finished_step(folder: Path) -> int | None:
    """The last finished step of the policy whose scratch home is in a folder; None before the first."""
    try:
        return int(json.loads((folder / _STATE).read_text())["step"])
    except FileNotFoundError:
        return None


def _copy_database(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)
