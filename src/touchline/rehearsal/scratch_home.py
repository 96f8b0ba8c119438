"""The scratch home of one policy: stores, a clock that the rehearsal moves, and checkpoints after finished steps."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from touchline.automation import Stores
from touchline.clock import Clock
from touchline.features import open_online_store
from touchline.registry import UntrackedRuns, newest_version
from touchline.storage import Database
from touchline.storage.file_objects import FileObjects

_DATABASES = ("touchline.db", "online.db")
_STATE = "checkpoint.json"
# So many times the length of a copy lie between two.
_TIMES_A_COPY = 20


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
    """The stores of a scratch home; MLflow takes no part in it.

    Nothing waits for the disk: all that a power cut costs is the rehearsal of this policy, see `Checkpoints`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    database = Database.open(f"sqlite:///{folder / 'touchline.db'}", is_flushed=False)
    database.migrate()
    online = open_online_store("sqlite", str(folder / "online.db"))

    tracking = UntrackedRuns(lambda project: newest_version(stores, project))
    stores = Stores(
        database, FileObjects(str(folder / "objects"), is_flushed=False), clock, lambda: online, lambda: tracking
    )
    return stores


class Checkpoints:
    """Copies of a scratch home's databases and its log of steps, as they were after a finished step.

    Copies are made so often that they take at most a twentieth of the time, and at the end. A kill leaves files that
    no database names; the steps since the copy are done again. Files of before the machine's last start may be
    incomplete, since nothing was flushed: then the policy begins anew.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder, self._log = folder, log
        self._state = folder / _STATE
        self._due_at = 0.0

    def restore(self) -> dict[str, Any] | None:
        """Bring the home back to the last copy; None where there is none."""
        for name in _DATABASES:
            for end in ("", "-wal", "-shm"):
                (self._folder / f"{name}{end}").unlink(missing_ok=True)
        state = self._state_of_this_boot()
        if state is None:
            for path in (self._state, self._log):
                path.unlink(missing_ok=True)
            shutil.rmtree(self._folder / "objects", ignore_errors=True)
            return None
        for name in _DATABASES:
            copy = self._folder / f"{name}.{state['copy']}"
            if copy.exists():
                _copy_database(copy, self._folder / name)
        with self._log.open("r+b") as log:
            log.truncate(state["log_bytes"])
        return state

    def write(self, step: int, instant: datetime, line: dict[str, Any], *, is_last: bool) -> None:
        """Add a finished step to the log; where a copy is due or no step follows, make it the one to resume after."""
        with self._log.open("ab") as log:
            log.write(json.dumps(line).encode() + b"\n")
            log.flush()
            size = log.tell()
        began = time.monotonic()
        if began < self._due_at and not is_last:
            return
        self._copy({"step": step, "instant": instant.isoformat(), "log_bytes": size, "boot": _boot()})
        ended = time.monotonic()
        self._due_at = ended + _TIMES_A_COPY * (ended - began)

    def _copy(self, state: dict[str, Any]) -> None:
        """Copy the databases beside the last copy, and then make the new one count."""
        copy = 1 - (self._state_of_this_boot() or {"copy": 1})["copy"]
        for name in _DATABASES:
            if (self._folder / name).exists():
                _copy_database(self._folder / name, self._folder / f"{name}.{copy}")
        fresh = self._state.with_suffix(".new")
        fresh.write_text(json.dumps({**state, "copy": copy}))
        fresh.replace(self._state)

    def _state_of_this_boot(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = json.loads(self._state.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return state if state["boot"] == _boot() else None

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


def _boot() -> str:
    """What this start of the machine is called; empty where the system does not say."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _copy_database(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)
