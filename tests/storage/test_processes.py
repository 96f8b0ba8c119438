from __future__ import annotations

import os
import signal

from tests.storage.children import kill, start, wait_for_line
from touchline.storage.process_identity import has_ended, this_process

NAME_YOURSELF = """
import sys
from touchline.storage.process_identity import this_process
print(this_process(), flush=True)
sys.stdin.readline()
"""


def test_this_process_has_not_ended() -> None:
    assert not has_ended(this_process())


def test_a_killed_process_has_ended() -> None:
    child = start(NAME_YOURSELF)
    name = wait_for_line(child)
    assert not has_ended(name)
    kill(child)
    assert has_ended(name)


def test_a_killed_process_that_its_parent_has_not_noted_has_ended() -> None:
    """As a scheduler that stands still leaves its worker, or a container whose first process waits for no other."""
    child = start(NAME_YOURSELF)
    name = wait_for_line(child)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(name)
    kill(child)


def test_a_process_id_that_was_given_out_again_is_another_process() -> None:
    machine, pid, began_at = this_process().split(" ")
    assert has_ended(f"{machine} {pid} {int(began_at) - 1}")


def test_a_process_of_another_machine_is_not_judged() -> None:
    _, pid, began_at = this_process().split(" ")
    assert not has_ended(f"elsewhere {pid} {int(began_at) - 1}")
