"""Keeps the processes of `touchline up` running in the background, and ends them.

The supervisor holds an exclusive lock on `run/supervisor.lock` while it runs. The lock, not a file with a process
id, shows that it runs, so `touchline stop` never signals an unrelated process.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

_GRACE_SECONDS = 15.0
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 30.0
_HEALTHY_AFTER_SECONDS = 10.0
_POLL_SECONDS = 0.1
# A supervisor that holds the lock writes its state next; only a machine at its limit makes it late.
_WRITE_SECONDS = 60.0
# Loaded here: between fork and exec nothing may be imported.
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Process:
    """A process to keep running. Its log has the same name; `environment` adds to the inherited variables."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Running:
    """The state file of the running supervisor. `fingerprint` identifies the settings that it was started with."""

    pid: int
    fingerprint: str
    processes: tuple[Process, ...]


def running(home: Path) -> Running | None:
    """The supervisor of this home, or None when none runs."""
    folder = home.absolute() / "run"
    lock, state = folder / "supervisor.lock", folder / "supervisor.json"
    if not lock.is_file() or not _is_held(lock):
        return None
    deadline = time.monotonic() + _WRITE_SECONDS
    while time.monotonic() < deadline:
        try:
            document = json.loads(state.read_text())
            processes = tuple(
                Process(p["name"], tuple(p["command"]), dict(p["environment"])) for p in document["processes"]
            )
            return Running(document["pid"], document["fingerprint"], processes)
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(_POLL_SECONDS)  # it has only started and not written yet
    return None


def start(home: Path, processes: Sequence[Process], *, fingerprint: str) -> None:
    """Start the supervisor detached from this terminal and this process; it runs when this returns."""
    folder = _folder(home)
    plan = folder / "plan.json"
    # An earlier, killed supervisor left its process id, which another process may have by now.
    (folder / "supervisor.json").unlink(missing_ok=True)
    plan.write_text(json.dumps({"fingerprint": fingerprint, "processes": [asdict(process) for process in processes]}))
    with log_file(home, "supervisor").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "touchline.cli.processes.supervisor", str(home.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=True,
        )


def stop(home: Path) -> bool:
    """End the supervisor with its processes, and wait for it; False if none runs."""
    supervisor = running(home)
    if supervisor is None:
        return False
    os.kill(supervisor.pid, signal.SIGTERM)
    lock = _folder(home) / "supervisor.lock"
    deadline = time.monotonic() + _GRACE_SECONDS + 5
    while _is_held(lock) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return True


def log_file(home: Path, name: str) -> Path:
    """The file that receives the output of a process."""
    folder = home.absolute() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def _folder(home: Path) -> Path:
    folder = home.absolute() / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_held(lock: Path) -> bool:
    with lock.open() as handle:  # for reading: a lock needs no right to write
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class _Child:
    """One supervised process. It is started again when it ends; the wait grows while it ends soon after its start."""

    def __init__(self, process: Process, home: Path) -> None:
        self.process, self._home = process, home
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._next_start = 0.0
        self._started_at = 0.0
        self._popen: subprocess.Popen[bytes] | None = None

    def restart_if_ended(self) -> None:
        now = time.monotonic()
        if self._popen is not None and self._popen.poll() is not None:
            self._note_end(now)
        if self._popen is None and now >= self._next_start:
            self._start(now)

    def terminate(self) -> None:
        if self._popen is not None and self._popen.poll() is None:
            self._popen.terminate()

    def wait(self, seconds: float) -> None:
        if self._popen is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(max(seconds, 0.1))
        # The whole session: workers that outlived their parent would hold the port.
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def _note_end(self, now: float) -> None:
        assert self._popen is not None
        with suppress(ProcessLookupError):  # workers that outlived their parent
            os.killpg(self._popen.pid, signal.SIGTERM)
        if now - self._started_at > _HEALTHY_AFTER_SECONDS:
            self._backoff = _FIRST_BACKOFF_SECONDS
        print(
            f"{self.process.name} ended with {self._popen.returncode}; starting again in {self._backoff:g} s",
            flush=True,
        )
        self._next_start = now + self._backoff
        self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF_SECONDS)
        self._popen = None

    def _start(self, now: float) -> None:
        with log_file(self._home, self.process.name).open("ab") as log:
            self._popen = subprocess.Popen(
                self.process.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.process.environment},
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        self._started_at = now


def _end_with_parent() -> None:
    """Let Linux end this process when its supervisor dies in any way, so that no port stays in use."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    _libc.prctl(set_parent_death_signal, signal.SIGTERM)


def supervise(home: Path, on_started: Callable[[], None]) -> None:
    """Run until SIGTERM or SIGINT; return at once if another supervisor holds the lock."""
    folder = _folder(home)
    plan = json.loads((folder / "plan.json").read_text())
    with closing((folder / "supervisor.lock").open("a")) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        children = [
            _Child(Process(p["name"], tuple(p["command"]), dict(p["environment"])), home) for p in plan["processes"]
        ]
        ending = _EndFlag()
        state = folder / "supervisor.json"
        partial = state.with_suffix(".partial")
        partial.write_text(json.dumps({**plan, "pid": os.getpid()}))
        partial.replace(state)
        on_started()
        while not ending.raised:
            for child in children:
                child.restart_if_ended()
            time.sleep(_POLL_SECONDS)
        _end(children)
        state.unlink(missing_ok=True)


class _EndFlag:
    def __init__(self) -> None:
        self.raised = False
        signal.signal(signal.SIGTERM, self._raise)
        signal.signal(signal.SIGINT, self._raise)

    def _raise(self, _signal: int, _frame: FrameType | None) -> None:
        self.raised = True


def _end(children: Sequence[_Child]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    for child in children:
        child.wait(deadline - time.monotonic())


if __name__ == "__main__":
    # The parent ends once the supervisor runs or has ended, either of which closes the pipe.
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    supervise(Path(sys.argv[1]), lambda: os.close(writing))
