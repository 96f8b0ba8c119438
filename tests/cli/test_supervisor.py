"""The supervisor keeps processes running, and ends all of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from touchline.cli.processes import supervisor

# Writes its process id, then waits; a second start appends a second id.
_WORKER = """
import os, sys, time
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""


def a_worker(ids: Path) -> supervisor.Process:
    return supervisor.Process("worker", (sys.executable, "-c", _WORKER, str(ids)), {})


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 120 s"
        time.sleep(0.02)


def started(ids: Path) -> list[int]:
    return [int(line) for line in ids.read_text().split()] if ids.exists() else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def ids(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "ids"
    supervisor.stop(tmp_path)


@pytest.mark.services
def test_stop_ends_the_supervisor_and_its_processes(tmp_path: Path, ids: Path) -> None:
    supervisor.start(tmp_path, [a_worker(ids)], fingerprint="one")
    found = supervisor.running(tmp_path)
    assert found is not None
    assert found.fingerprint == "one"
    until(lambda: bool(started(ids)))
    assert supervisor.stop(tmp_path)
    until(lambda: not is_alive(started(ids)[0]))
    assert supervisor.running(tmp_path) is None
    assert not supervisor.stop(tmp_path)


@pytest.mark.services
def test_a_killed_process_is_started_again(tmp_path: Path, ids: Path) -> None:
    supervisor.start(tmp_path, [a_worker(ids)], fingerprint="one")
    until(lambda: len(started(ids)) == 1)
    os.kill(started(ids)[0], signal.SIGKILL)
    until(lambda: len(started(ids)) == 2)


@pytest.mark.services
def test_a_killed_supervisor_takes_its_processes_with_it(tmp_path: Path, ids: Path) -> None:
    supervisor.start(tmp_path, [a_worker(ids)], fingerprint="one")
    until(lambda: bool(started(ids)))
    found = supervisor.running(tmp_path)
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    until(lambda: not is_alive(started(ids)[0]))
    until(lambda: supervisor.running(tmp_path) is None)


@pytest.mark.services
def test_children_of_a_killed_process_end_before_it_is_started_again_for_long(tmp_path: Path, ids: Path) -> None:
    """Workers that outlive the process which started them would hold its port."""
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    parent = supervisor.Process("parent", (sys.executable, "-c", script, _WORKER, str(ids)), {})
    supervisor.start(tmp_path, [parent], fingerprint="one")
    until(lambda: len(started(ids)) == 1)
    orphan = started(ids)[0]
    os.kill(os.getpgid(orphan), signal.SIGKILL)  # the group has the id of the process that leads it
    until(lambda: not is_alive(orphan))
    until(lambda: len(started(ids)) == 2)
    assert supervisor.stop(tmp_path)
    until(lambda: not is_alive(started(ids)[1]))


def test_a_left_over_process_id_is_never_signalled(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "supervisor.lock").touch()
    (tmp_path / "run" / "supervisor.json").write_text('{"pid": 1, "fingerprint": "", "processes": []}')
    assert supervisor.running(tmp_path) is None
    assert not supervisor.stop(tmp_path)
