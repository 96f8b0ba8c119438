"""The limits of time and memory that a project declares for a run, watched from outside or within its own process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from touchline import automation, errors
from touchline.cli.processes.safe_signals import raised_by

if TYPE_CHECKING:
    from touchline.cli.opening import OpenedProject
    from touchline.project import Retrain

WATCH_SECONDS: Final = 0.2
GRACE_SECONDS: Final = 10.0


def outgrown(policy: Retrain, pid: int, seconds: float) -> str | None:
    """The limit that a process has outgrown after so many seconds, in words; None where it is within both."""
    if seconds > policy.time_limit.total_seconds():
        return f"it outgrew its time limit of {policy.time_limit} (Retrain(time_limit=))"
    if policy.memory_limit is not None and (held := _memory_of(pid)) > policy.memory_limit:
        return f"it held {held:,} bytes, above its limit of {policy.memory_limit:,} (Retrain(memory_limit=))"
    return None


@contextmanager
def ended_beyond_limits(opened: OpenedProject) -> Iterator[None]:
    """End the training of this process where it outgrows a limit: it is recorded as failed, with that reason.

    A thread watches, and a signal raises `RunOutgrown` once, between two steps of Python and never within one of the
    database. A library that does not return to Python in ten seconds ends with the process.
    """
    reasons: list[str] = []
    is_over, was_raised = threading.Event(), threading.Event()

    def end() -> BaseException | None:
        if is_over.is_set() or was_raised.is_set():
            return None
        was_raised.set()
        return automation.RunOutgrown(reasons[0])

    watcher = threading.Thread(target=_watch, args=(opened, reasons, is_over), daemon=True)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # one that comes late must not end the process
    try:
        with raised_by(signal.SIGUSR2, end):
            watcher.start()
            yield
    except automation.RunOutgrown as outside:  # before the run's work began, or after it
        run_id = _give_up(opened, outside.reason)
        raise errors.RunStopped(opened.name, run_id or "of this process", outside.reason) from outside
    finally:
        is_over.set()
        watcher.join()


def _watch(opened: OpenedProject, reasons: list[str], is_over: threading.Event) -> None:
    began = time.monotonic()
    while not is_over.wait(WATCH_SECONDS):
        reason = outgrown(opened.project.retrain, os.getpid(), time.monotonic() - began)
        if reason is None or _running(opened) is None:
            continue
        reasons.append(reason)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
        if is_over.wait(GRACE_SECONDS):
            return
        _end_here(opened, reason)


def _end_here(opened: OpenedProject, reason: str) -> None:
    """Record the reason and end this process with those it started."""
    _give_up(opened, reason)
    sys.stderr.write(f"{opened.name}: the training was ended: {reason}\n")
    sys.stderr.flush()
    for child in _children_of(os.getpid()):
        os.kill(child, signal.SIGKILL)
    os._exit(1)


def _give_up(opened: OpenedProject, reason: str) -> str | None:
    """End the run that this process works on as failed; its id."""
    run = _running(opened)
    if run is None:
        return None
    automation.PipelineRuns(opened.stores.database, opened.name).end(run.id, "failed", reason, clock=opened.clock)
    return run.id


def _running(opened: OpenedProject) -> automation.Run | None:
    """The training that a process works on; one whose process is gone is another's to go on with."""
    run = automation.read_waiting(opened.name, opened.stores).working
    return run if run is not None and run.job == "retrain" else None


def _memory_of(pid: int) -> int:
    """The resident bytes of a process and of those it started, by Linux's `/proc`; 0 where there is none."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(_memory_of, _children_of(pid)))


def _children_of(pid: int) -> list[int]:
    try:
        return [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in _children(task)]
    except OSError:
        return []


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:  # the thread has ended, or this kernel does not tell
        return []
