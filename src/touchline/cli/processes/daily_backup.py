"""The backup of each day, made by the scheduler in a process of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from touchline import backup
from touchline.clock import SystemClock

if TYPE_CHECKING:
    from touchline.cli.opening import Home

_log = logging.getLogger("touchline.schedule")
_AGAIN: Final = timedelta(minutes=15)


@dataclass
class DailyBackup:
    """Starts `touchline backup create` when it is due; a failed one is tried again after a quarter of an hour."""

    home: Home
    _process: subprocess.Popen[bytes] | None = None
    _look_at: float = 0.0  # by a clock that nobody sets

    def look(self) -> None:
        """Start the backup where it is due; note the end of the one that runs."""
        now = SystemClock().wall()
        if self._process is not None:
            if (code := self._process.poll()) is not None:
                _log.log(logging.INFO if code == 0 else logging.ERROR, "the backup ended with code %d", code)
                self._process = None
            return
        if self.home.settings.backup_to is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _AGAIN.total_seconds()
        record = backup.read_record(self.home.objects)
        newest = None if record is None else record.created_at
        if backup.is_due(newest, now=now, hour=self.home.settings.backup_hour):
            _log.info("the backup of the day begins")
            home = str(self.home.settings.home.absolute())
            self._process = subprocess.Popen(
                (sys.executable, "-m", "touchline.cli.main", "backup", "create"),
                cwd=self.home.base,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "TOUCHLINE_HOME": home},
            )

    def wait(self) -> int | None:
        """Wait for the end of the backup that runs: its exit code; None where none runs."""
        return None if self._process is None else self._process.wait()

    def end(self) -> None:
        """End a backup that runs: a set is whole or absent, and the next scheduler makes it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self.wait()
