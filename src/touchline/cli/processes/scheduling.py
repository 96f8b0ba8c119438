"""The scheduler and worker: decides what is due and does the runs that wait, each in a process of its own.

Several may run at once, on one machine or many: a due time is decided once by its row, a run is done by whoever holds
the lease of its project, and a run whose process died is taken over. A process of its own for each run gives its memory
back, and can be ended when it outgrows its limits.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from touchline import automation, predictions, registry
from touchline import project as projects
from touchline.cli.opening import Home, OpenedProject
from touchline.cli.processes.daily_backup import DailyBackup
from touchline.cli.processes.limits import GRACE_SECONDS, WATCH_SECONDS, outgrown
from touchline.cli.processes.run_starts import RunStarts
from touchline.cli.processes.safe_signals import raised_by
from touchline.cli.server_client import api_url, request_json
from touchline.errors import LeaseHeld, TouchlineError

if TYPE_CHECKING:
    from touchline.automation import Run
    from touchline.predictions import OpenExample

_log = logging.getLogger("touchline.schedule")
_EVERY_SECONDS: Final = 2.0
_ROWS_AT_ONCE: Final = 500
_DONE: Final = (0, 3)
_FAILED: Final = 1
_WRONG_USAGE: Final = 2


def predict_open(opened: OpenedProject) -> Callable[[Sequence[OpenExample]], int]:
    """Has the running server predict open examples, so that rollouts, the log and its metrics see them."""
    url = f"{api_url(opened.home)}/projects/{opened.name}/predict"

    def predict(examples: Sequence[OpenExample]) -> int:
        answered = 0
        for start in range(0, len(examples), _ROWS_AT_ONCE):
            body = [{"example_id": one.example_id} for one in examples[start : start + _ROWS_AT_ONCE]]
            answers = request_json(url, body=body, api_key=opened.home.settings.api_key)
            answered += len(answers["predictions"])
        return answered

    return predict


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM end the block as an exception, so that a run gives its lease back and waits for whoever goes on.

    Without it a process that is ended counts as one that died. Neither it nor Ctrl-C ends a transaction half-way.
    """
    with ExitStack() as signals:
        signals.enter_context(raised_by(signal.SIGTERM, lambda: automation.EndedInOrder(128 + signal.SIGTERM)))
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a process in the background ignores it
            signals.enter_context(raised_by(signal.SIGINT, KeyboardInterrupt))
        yield


def work_on(opened: OpenedProject, context: automation.PipelineContext, run_id: str, *, actor: str) -> Any:
    """Do or go on with a run in this process: its report; None where it has ended meanwhile."""
    run = automation.PipelineRuns(opened.stores.database, opened.name).find(run_id)
    if run.job == "daily":
        return automation.resume_daily(context, run_id, predict_open(opened), actor=actor)
    return automation.resume_pipeline(context, run_id, actor=actor)


@dataclass
class Scheduling:
    """Decides and works for the projects of a home until `stop` is set.

    Each project does one run at a time, and several projects work at once: the day's work of one waits for no training
    of another, unless as many runs as there are cores, and at least two, go on.
    """

    home: Home
    projects: list[OpenedProject]
    stop: threading.Event = field(default_factory=threading.Event)
    starts: RunStarts = field(default_factory=RunStarts)
    _unusable: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _backups(self) -> DailyBackup:
        return DailyBackup(self.home)

    def run(self) -> None:
        """Look every two seconds, and drain the spools of the serving processes of this home meanwhile."""
        drain = predictions.DrainThread(self.home.folder / "spool", predictions.DatabaseWriter(self.home.database))
        drain.ensure()
        working: dict[str, Future[int]] = {}
        with ExitStack() as announced, _workers() as workers:
            while not self.stop.is_set():
                self._announce(announced)
                self._guarded("the backup of the day", self._backups.look)
                self._reload_changed()
                for one in self.projects:
                    self._decide(one)
                    if one.name not in working or working[one.name].done():
                        working[one.name] = workers.submit(self._work_off, one)
                self.stop.wait(_EVERY_SECONDS)
        drain.stop(GRACE_SECONDS)
        self._backups.end()

    def _announce(self, announced: ExitStack) -> None:
        """Say for each project that a scheduler runs, unless one has said so."""
        for one in self.projects:
            is_announced = self._guarded("schedulers", partial(automation.has_scheduler, one.name, one.stores))
            if is_announced is False:
                holder = f"scheduler {os.getpid()}"
                block = automation.announced_scheduler(one.name, one.stores, holder=holder)
                self._guarded(f"{one.name}: announcing the scheduler", partial(announced.enter_context, block))

    def look(self) -> int:
        """One look at every project: decide, then do the runs that wait. The number of runs that were done."""
        for one in self.projects:
            self._decide(one)
        with _workers() as workers:
            return sum(workers.map(self._work_off, self.projects))

    def _reload_changed(self) -> None:
        """Decide by the declaration of now, as the runs train by it; one that cannot be used leaves the one before."""
        for at, one in enumerate(self.projects):
            now = self._guarded(f"{one.name}: its code", partial(registry.code_hash, one.loaded.folder))
            if now in (None, one.loaded.code_hash, self._unusable.get(one.name)):
                continue
            try:
                loaded = projects.load_project(one.loaded.folder, base=self.home.base)
            except TouchlineError as error:
                self._unusable[one.name] = now
                _log.error("%s: the changed declaration cannot be used, the one before decides: %s", one.name, error)
            else:
                self.projects[at] = OpenedProject(self.home, loaded)
                _log.info("%s: the declaration has changed and is read again", one.name)

    def _decide(self, opened: OpenedProject) -> None:
        self._guarded(f"{opened.name}: what is due", partial(automation.decide_due, opened.project, opened.stores))

    def _work_off(self, opened: OpenedProject) -> int:
        """Do the runs of a project that wait; their number."""
        done = 0
        while not self.stop.is_set() and self._guarded(f"{opened.name}: a run", partial(self._work, opened)):
            done += 1
        return done

    def _work(self, opened: OpenedProject) -> bool:
        """Do the next run of a project; False where none waits or another process works on it."""
        run = automation.next_run(opened.name, opened.stores)
        if run is None or self.starts.rests(run.id):
            return False
        _log.info("%s: run %s (%s, %s) begins, attempt %d", opened.name, run.id, run.job, run.trigger, run.attempts + 1)
        ended = _RunProcess(opened, run, self.starts).watch(self.stop)
        if ended is not None:
            _log.warning("%s: run %s: %s", opened.name, run.id, ended)
        return automation.PipelineRuns(opened.stores.database, opened.name).find(run.id).finished_at is not None

    def _guarded(self, what: str, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except LeaseHeld:
            return None  # another process was faster
        except Exception:  # noqa: BLE001  the schedule goes on whatever one project's code does
            _log.exception("%s failed; tried again soon", what)
            return None


def _workers() -> ThreadPoolExecutor:
    """Threads that each watch the process of a run."""
    return ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="runs")


class _RunProcess:
    """The process of one run, ended when it outgrows the limits of the project's `Retrain`."""

    def __init__(self, opened: OpenedProject, run: Run, starts: RunStarts) -> None:
        self._opened, self._run, self._policy = opened, run, opened.project.retrain
        self._starts = starts

    def watch(self, stop: threading.Event) -> str | None:
        """Wait for its end; what it was ended for, in words."""
        home = self._opened.home.settings.home.absolute()
        command = (sys.executable, "-m", "touchline.cli.main", "schedule", "work", self._run.id)
        process = subprocess.Popen(
            (*command, "-p", str(self._opened.loaded.folder)),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TOUCHLINE_HOME": str(home)},
        )
        began = time.monotonic()
        try:
            while process.poll() is None:
                if stop.is_set():
                    _end(process)
                    self._note_interruption()
                    return "the scheduler ends; another goes on with it"
                if (reason := outgrown(self._policy, process.pid, time.monotonic() - began)) is not None:
                    self._give_up(process, reason)
                    return reason
                time.sleep(WATCH_SECONDS)
        finally:
            _end(process)
        return self._after_end(process)

    def _after_end(self, process: subprocess.Popen[bytes]) -> str | None:
        """What an end of its own means for the run, in words; None where it has done its work."""
        code, waits = process.returncode, self._waits()
        if not waits and code in _DONE:
            return None
        reason = f"its process ended with {code}"
        if waits and code == _WRONG_USAGE:
            # Whoever tries again finds the same mistake; other codes may be of the moment, as a database that is away.
            reason = f"{reason}: the declaration cannot be used (touchline plan -p {self._opened.name})"
            self._give_up(process, reason)
        elif waits and self._current_run().attempts == self._run.attempts:
            deaths = self._starts.note_failure(self._run.id, is_death=code != _FAILED)
            if deaths >= automation.MOST_ATTEMPTS:
                reason = f"{reason}, and {deaths} times none had begun the run"
                self._give_up(process, reason)
        return reason

    def _current_run(self) -> Run:
        return automation.PipelineRuns(self._opened.stores.database, self._opened.name).find(self._run.id)

    def _waits(self) -> bool:
        """Whether the run still waits, and nobody works on it."""
        waiting = automation.next_run(self._opened.name, self._opened.stores)
        return waiting is not None and waiting.id == self._run.id

    def _note_interruption(self) -> None:
        """Where the process was too busy to note it itself. One that died before is not noted as ended in order."""
        run = self._current_run()
        if run.attempts == self._run.attempts + 1:
            automation.note_interruption(self._opened.stores.database, run)

    def _give_up(self, process: subprocess.Popen[bytes], reason: str) -> None:
        _end(process)
        runs = automation.PipelineRuns(self._opened.stores.database, self._opened.name)
        runs.end(self._run.id, "failed", reason, clock=self._opened.clock)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
            return
        process.kill()
        process.wait()
