"""Prove that serving stays as it is for as long as it runs, and that an idle installation costs next to nothing.

    python benchmarks/prove_soak.py [--minutes 30] [--share 0.6] [--idle-minutes 5]

A small shop is trained in a home of its own. `touchline serve` is asked as fast as four connections can for ten
seconds: that rate is the peak. Then requests come at a share of it, each at its own due time, from which its latency
counts, for --minutes. Memory, open files and threads of all processes of the server are read every five seconds, in a
short run more often: after a tenth of the time for warming up they must not grow. Afterwards `touchline up` runs
without a request, and the processor time of all its processes is measured. A promise that does not hold ends the
program with exit code 1.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers import spare_port
from tests.shop import write_shop

CONNECTIONS = 4
PEAK_SECONDS = 10.0
EVERY_SECONDS = 5.0
FEWEST_READINGS = 30  # a short run is read more often
# Memory may breathe; over an hour it may not grow by more than this.
GROWTH_MB_AN_HOUR = 20.0
BREATH_MB = 6.0
FILES = 8
IDLE_SHARE = 0.02
_CLI = (sys.executable, "-m", "touchline.cli.main")


@dataclass
class Load:
    """Latencies in seconds of the answers, and the reasons of what failed."""

    port: int
    rate: float | None
    latencies: array[float] = field(default_factory=lambda: array("d"))
    failures: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self, seconds: float) -> float:
        """Load for so long; the answers a second."""
        threads = [threading.Thread(target=self._connection, args=(number,)) for number in range(CONNECTIONS)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        self.ending.wait(seconds)
        self.ending.set()
        for thread in threads:
            thread.join(30)
        return len(self.latencies) / (time.monotonic() - began)

    def _connection(self, number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        pause = CONNECTIONS / self.rate if self.rate else 0.0
        due = time.monotonic() + pause * number / CONNECTIONS
        asked = number
        while not self.ending.is_set():
            wait = due - time.monotonic()
            if wait > 0 and self.ending.wait(wait):
                break
            began = due if self.rate else time.monotonic()
            asked += 1
            try:
                client.request("POST", "/predict", json.dumps({"customer": f"c{asked % 40}"}))
                response = client.getresponse()
                body = response.read()
                if response.status == 200:
                    self.latencies.append(time.monotonic() - began)
                else:
                    self.failures.append(f"{response.status} {body[:80].decode(errors='replace')}")
            except (OSError, http.client.HTTPException) as failure:
                self.failures.append(type(failure).__name__)
                client.close()
            due += pause
        client.close()


@dataclass(frozen=True)
class Reading:
    """What all processes below one have at an instant."""

    at: float
    memory: Mapping[int, float]
    files: int
    threads: int

    @property
    def memory_mb(self) -> float:
        return sum(self.memory.values())


def processes_below(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*"):
            try:
                found += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue
    return found


def read_processes(pid: int) -> Reading:
    memory: dict[int, float] = {}
    files, threads = 0, 0
    for one in processes_below(pid):
        try:
            status = Path(f"/proc/{one}/status").read_text()
            files += sum(1 for _ in Path(f"/proc/{one}/fd").iterdir())
        except OSError:  # it ended meanwhile
            continue
        memory[one] = int(status.partition("VmRSS:")[2].split()[0]) / 1e3
        threads += int(status.partition("Threads:")[2].split()[0])
    return Reading(time.monotonic(), memory, files, threads)


def processor_seconds(pid: int) -> dict[str, float]:
    """Processor time of each process below one so far, with that of its ended children, by its command."""
    tick, spent = os.sysconf("SC_CLK_TCK"), {}
    for one in processes_below(pid):
        try:
            numbers = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            words = Path(f"/proc/{one}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        spent[f"{one} {' '.join(words[1:6])[-60:]}"] = sum(map(int, numbers[11:15])) / tick
    return spent


def promise(words: str, holds: bool) -> bool:
    print(f"  {'ok    ' if holds else 'BROKEN'} {words}", flush=True)
    return holds


@contextmanager
def serving(place: Path, environment: Mapping[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [*_CLI, "serve", "shop", "--port", str(port)]
    with (place / "serve.log").open("ab") as log:
        server = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_ready(port), seconds=120)
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def is_ready(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"the server was not ready within {seconds:g} s")
        time.sleep(0.1)


def soak(place: Path, environment: Mapping[str, str], options: argparse.Namespace) -> bool:
    port = spare_port()
    with serving(place, environment, port) as server:
        peak = Load(port, None).run(PEAK_SECONDS)
        load = Load(port, peak * options.share)
        print(f"peak {peak:,.0f} a second on {CONNECTIONS} connections; {load.rate:,.0f} for {options.minutes:g} min")
        readings: list[Reading] = []

        pause = min(EVERY_SECONDS, options.minutes * 60 / FEWEST_READINGS)

        def read() -> None:
            while not load.ending.wait(pause):
                readings.append(read_processes(server.pid))

        reader = threading.Thread(target=read)
        reader.start()
        rate = load.run(options.minutes * 60)
        reader.join()
    return report(load, rate, readings)


def report(load: Load, rate: float, readings: list[Reading]) -> bool:
    warm = readings[len(readings) // 10 :]
    failures = ", ".join(sorted(set(load.failures)))[:200]
    if len(warm) < 3 or not load.latencies:
        return promise(f"{len(warm)} readings and {len(load.latencies)} answers are too few; failed: {failures}", False)
    hours = (warm[-1].at - warm[0].at) / 3600
    slope = float(np.polyfit([one.at for one in warm], [one.memory_mb for one in warm], 1)[0]) * 3600
    third = len(warm) // 3
    rise = np.mean([one.memory_mb for one in warm[-third:]]) - np.mean([one.memory_mb for one in warm[:third]])
    p50, p99, p999 = (np.quantile(load.latencies, share) * 1e3 for share in (0.5, 0.99, 0.999))
    print(f"{len(load.latencies):,} answers, {rate:,.0f} a second; p50 {p50:.1f} ms, p99 {p99:.1f}, p99.9 {p999:.1f}")
    holds = promise(f"{len(load.failures)} failed {failures}", not load.failures)
    memory = f"memory {warm[0].memory_mb:.0f} MB at first, {warm[-1].memory_mb:.0f} at last, {slope:+.0f} MB an hour"
    holds &= promise(
        f"{memory}; last third {rise:+.1f} MB above the first", rise <= BREATH_MB + GROWTH_MB_AN_HOUR * hours
    )
    for pid, last in warm[-1].memory.items():
        print(f"         process {pid}: {warm[0].memory.get(pid, 0.0):.1f} MB at first, {last:.1f} MB at last")
    for name in ("files", "threads"):
        first, last = (sorted(getattr(one, name) for one in part) for part in (warm[:third], warm[-third:]))
        words = f"{name} {first[third // 2]} in the first third, {last[third // 2]} in the last"
        holds &= promise(words, last[third // 2] <= first[third // 2] + FILES)
    return holds


def idle(place: Path, environment: Mapping[str, str], minutes: float) -> bool:
    """The embedded default without a request: API, scheduler and MLflow's page."""
    ports = {"TOUCHLINE_PORT": str(spare_port()), "TOUCHLINE_MLFLOW_PORT": str(spare_port())}
    environment = {**environment, **ports}
    subprocess.run([*_CLI, "up", "shop"], cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        pid = json.loads((place / "home" / "run" / "supervisor.json").read_text())["pid"]
        time.sleep(60)  # what starts has started
        before, began = processor_seconds(pid), time.monotonic()
        time.sleep(minutes * 60)
        after, seconds = processor_seconds(pid), time.monotonic() - began
    finally:
        subprocess.run([*_CLI, "stop"], cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    for name, used in sorted(spent.items(), key=lambda one: -one[1]):
        print(f"  {used / seconds:7.2%} of a core: {name}")
    share = sum(spent.values()) / seconds
    words = f"idle for {seconds:.0f} s, all processes use {share:.2%} of a core, limit {IDLE_SHARE:.0%}"
    return promise(words, share < IDLE_SHARE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="0: no load")
    parser.add_argument("--share", type=float, default=0.6)
    parser.add_argument("--idle-minutes", type=float, default=5.0, help="0: no idle time")
    options = parser.parse_args()
    if not (options.minutes >= 0 and options.idle_minutes >= 0 and options.share > 0):
        parser.error("minutes are 0 or more, and the share is above 0")
    with tempfile.TemporaryDirectory(prefix="touchline-soak-") as folder:
        place = Path(folder)
        write_shop(place)
        environment = {**os.environ, "TOUCHLINE_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"}
        subprocess.run([*_CLI, "train", "-p", "shop"], cwd=place, env=environment, check=True, capture_output=True)
        holds = soak(place, environment, options) if options.minutes else True
        holds &= idle(place, environment, options.idle_minutes) if options.idle_minutes else True
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
