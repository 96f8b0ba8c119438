"""Servers as processes, and wrk against them."""

from __future__ import annotations

import os
import re
import signal
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Rival:
    """How to start a server and what to ask it."""

    name: str
    command: Sequence[str]
    path: str
    script: Path
    ready: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Running:
    """A started server."""

    rival: Rival
    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float

    @property
    def memory_mb(self) -> float:
        """Resident memory of its largest process: the worker."""
        return max(_resident(pid) for pid in _family(self.process.pid)) / 1e3

    @property
    def cpu_seconds(self) -> float:
        """User and system time of the started process and its threads, without its children."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Speed:
    """What wrk saw in one run; latencies in milliseconds."""

    per_second: float
    p50: float
    p99: float
    errors: int
    cpu_micros: float = 0.0  # user and system time of the started process a request


def spare_port() -> int:
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        port: int = spare.getsockname()[1]
        return port


@contextmanager
def started(rival: Rival, *, seconds: float = 120) -> Iterator[Running]:
    """The server while the block runs, ready; ended by its process group."""
    port = spare_port()
    command = [part.replace("{port}", str(port)) for part in rival.command]
    quiet = {"OMP_NUM_THREADS": "1", **rival.environment, "BENCH_PORT": str(port)}
    log = Path("/tmp") / f"touchline-bench-{port}.log"
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env={**os.environ, **quiet}, cwd=rival.folder, stdout=out, stderr=out, process_group=0
        )
    try:
        while not _answers(f"http://127.0.0.1:{port}{rival.ready}"):
            if process.poll() is not None or time.perf_counter() - began > seconds:
                raise SystemExit(f"{rival.name} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.005)
        yield Running(rival, process, port, time.perf_counter() - began)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.unlink(missing_ok=True)


def wrk(server: Running, *, connections: int, seconds: int) -> Speed:
    """One run of wrk."""
    address = f"http://127.0.0.1:{server.port}{server.rival.path}"
    before = server.cpu_seconds
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s"]
    told = subprocess.run(
        [*command, str(server.rival.script), address], capture_output=True, text=True, check=True
    ).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    errors = (int(bad[1]) if bad else 0) + (sum(map(int, lost.groups())) if lost else 0)
    rate, count = re.search(r"Requests/sec:\s+([\d.]+)", told), re.search(r"(\d+) requests in", told)
    assert rate is not None, told
    assert count is not None, told
    micros = (server.cpu_seconds - before) / int(count[1]) * 1e6
    return Speed(float(rate[1]), _milliseconds(told, "50%"), _milliseconds(told, "99%"), errors, micros)


def typical(speeds: Sequence[Speed]) -> Speed:
    """The medians of several runs."""
    return Speed(
        statistics.median(speed.per_second for speed in speeds),
        statistics.median(speed.p50 for speed in speeds),
        statistics.median(speed.p99 for speed in speeds),
        sum(speed.errors for speed in speeds),
        statistics.median(speed.cpu_micros for speed in speeds),
    )


def spread(speeds: Sequence[Speed]) -> str:
    rates = [speed.per_second for speed in speeds]
    return f"{min(rates):,.0f} to {max(rates):,.0f}"


def _milliseconds(told: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s|m)\s*$", told, re.MULTILINE)
    assert found is not None, told
    return float(found[1]) * _UNITS[found[2]]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status < 500)
    except urllib.error.HTTPError as refused:
        return refused.code < 500
    except OSError:
        return False


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _family(int(child))
    return found


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) if found else 0
