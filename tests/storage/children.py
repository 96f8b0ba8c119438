"""Other Python processes, for rules that hold between processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process that runs `code` with `arguments` in sys.argv[1:]."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What the process printed, once it ended well."""
    output, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, complaint
    return output


def race(code: str, arguments: Iterable[Sequence[str]]) -> list[str]:
    """What each of several processes printed after its `ready`: all were let go, by a line, once the last was."""
    racers = [start(code, *each) for each in arguments]
    for racer in racers:
        assert wait_for_line(racer) == "ready"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    return [finish(racer).strip() for racer in racers]


def wait_for_line(process: subprocess.Popen[str]) -> str:
    """The next line the process prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate()[1])
    return line.strip()


def kill(process: subprocess.Popen[str]) -> None:
    """End the process with SIGKILL: nothing of it runs any more."""
    process.kill()
    process.communicate()
