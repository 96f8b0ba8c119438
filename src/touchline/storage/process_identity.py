"""Which process is meant, and whether it has ended: so that a killed holder's lease is free at once."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def this_process() -> str:
    """This process, told apart from every other: machine, process id, and when the process began."""
    return f"{_machine()} {os.getpid()} {_began_at(os.getpid()) or 0}"


def has_ended(process: str) -> bool:
    """Whether a process named by `this_process` is surely gone; False for one on another machine."""
    machine, pid, began_at = process.split(" ")
    if machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    # The id may have been given to a newer process since.
    return (_began_at(int(pid)) or 0) != int(began_at)


def _machine() -> str:
    """The scope within which process ids are unique: one boot of one machine, and one container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no /proc: macOS
        return platform.node().replace(" ", "-") or "unnamed"


def _began_at(pid: int) -> int | None:
    """When a process began; None where there is none, or only what its parent has not taken note of (a zombie)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces; the state follows it, and start time is field 22, the 20th after it.
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
