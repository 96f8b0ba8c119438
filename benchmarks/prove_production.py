"""Prove that the production set survives the loss of each of its parts: kill each in turn under load, and lose nothing.

    python benchmarks/prove_production.py [PART...] [--connections 3] [--seconds 6]

PostgreSQL, Redis with a password, MLflow's server, two replicas, the control plane, two schedulers, Caddy, Prometheus
and Alertmanager run as in docker-compose.yml, on this machine. The loop of a small shop runs through them: ingest,
train, promote, predict under load, outcomes, a retraining that a scheduler does. Each part is killed (SIGKILL) while
requests go through the proxy; the keeper starts it again after one second, as Compose and systemd do. Printed for each
part: requests answered and failed from the kill until it is well again and some seconds on, and its recovery time. At
the end every answered prediction must be in the log, except those of the last 0.25 s before a replica was killed (the
stated bound). A promise that does not hold ends the program with exit code 1.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulations.production_set import Part, ProductionSet, wait_until
from tests.api.builders import write_project

KILL_BOUND_SECONDS = 0.25
# How long a client waits for its answer.
CLIENT_SECONDS = 10.0


@dataclass
class Load:
    """Requests one after another on each connection: wall times of answers with ids, and of failures with reasons."""

    url: str
    key: str
    answered: list[tuple[float, str, float]] = field(default_factory=list)
    failed: list[tuple[float, str]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def request_until_ended(self) -> None:
        body = json.dumps({"customer": "c/1"})
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        while not self.ending.is_set():
            with closing(
                http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=CLIENT_SECONDS)
            ) as client:
                try:
                    while not self.ending.is_set():
                        self._one(client, body, headers)
                except (OSError, http.client.HTTPException, ValueError) as failure:
                    self.failed.append((time.time(), type(failure).__name__))
                    self.ending.wait(0.05)

    def _one(self, client: http.client.HTTPConnection, body: str, headers: dict[str, str]) -> None:
        began = time.perf_counter()
        client.request("POST", "/predict", body, headers)
        response = client.getresponse()
        document = json.loads(response.read())
        if response.status == 200:
            self.answered.append((time.time(), document["prediction_id"], time.perf_counter() - began))
        else:
            self.failed.append((time.time(), f"{response.status} {document.get('detail', '')[:60]}"))
            self.ending.wait(0.02)


@contextmanager
def under_load(url: str, key: str, connections: int) -> Iterator[Load]:
    load = Load(url, key)
    threads = [threading.Thread(target=load.request_until_ended, daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.ending.set()
        for thread in threads:
            thread.join(CLIENT_SECONDS + 2)


@dataclass(frozen=True)
class Loss:
    """What the loss of one part cost."""

    part: str
    killed_at: float
    recovery_seconds: float
    answered: int
    failed: int
    reasons: tuple[str, ...]
    slowest_seconds: float


def lose(part: Part, load: Load, *, seconds: float) -> Loss:
    """Kill a part, wait until it is well again, and some seconds on."""
    starts, at = part.starts, time.time()
    part.kill()
    wait_until(lambda: part.starts > starts and part.is_well(), seconds=120, what=f"{part.name}, after its kill,")
    recovery = time.time() - at
    time.sleep(seconds)
    answered = [one for one in load.answered if one[0] >= at]
    failed = [reason for when, reason in load.failed if when >= at]
    slowest = max((one[2] for one in answered), default=0.0)
    reasons = tuple(f"{failed.count(reason)}x {reason}" for reason in sorted(set(failed)))
    return Loss(part.name, at, recovery, len(answered), len(failed), reasons[:3], slowest)


def promise(words: str, holds: bool) -> bool:
    print(f"  {'ok    ' if holds else 'BROKEN'} {words}", flush=True)
    return holds


def retrain_through_a_kill(production: ProductionSet) -> bool:
    """A training that was requested is done once, though the scheduler that works on it is killed."""
    request = urllib.request.Request(
        f"{production.url('control')}/api/training/automated/run",
        data=json.dumps({"force": True, "reason": "prove"}).encode(),
        headers={"X-API-Key": production.key("admin"), "Content-Type": "application/json"},
    )
    run_id = json.loads(urllib.request.urlopen(request, timeout=30).read())["id"]
    schedulers = [part for part in production.keeper.parts if part.name.startswith("scheduler")]

    def workers() -> list[Part]:
        return [part for part in schedulers if part.process is not None and _works_on(part.process.pid, run_id)]

    wait_until(lambda: bool(workers()), seconds=60, what="the training")
    wait_until(lambda: _run(production, run_id)["status"] == "running", seconds=60, what="the training")
    worker = workers()[0]
    worker.kill()
    at = time.time()
    wait_until(lambda: _run(production, run_id)["finished_at"] is not None, seconds=240, what="the run after the kill")
    run = _run(production, run_id)
    words = f"{worker.name} was killed in a training; it ended {run['status']} after {time.time() - at:.1f} s, "
    return promise(f"{words}attempt {run['attempts']}", run["status"] == "done" and run["attempts"] == 2)


def _run(production: ProductionSet, run_id: str) -> dict[str, object]:
    headers = {"X-API-Key": production.key("viewer")}
    url = f"{production.url('control')}/api/training/runs/{run_id}"
    document: dict[str, dict[str, object]] = json.loads(
        urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30).read()
    )
    return document["run"]


def _works_on(pid: int, run_id: str) -> bool:
    """Whether a child of the process does the run."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return any(run_id.encode() in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)
    except FileNotFoundError:  # it has ended meanwhile
        return False


def settle_outcomes(production: ProductionSet, ids: list[str]) -> bool:
    """Outcomes of predictions of both replicas, whichever takes them."""
    body = [{"prediction_id": one, "label": "yes"} for one in ids]
    request = urllib.request.Request(
        f"{production.url('proxy')}/outcomes",
        data=json.dumps(body).encode(),
        headers={"X-API-Key": production.key("scorer"), "Content-Type": "application/json"},
    )
    status = urllib.request.urlopen(request, timeout=30).status
    return promise(f"{len(ids)} outcomes are taken", status in (200, 202))


def is_alert_sent(production: ProductionSet, control: Part) -> bool:
    """Without a control plane the critical alert arrives at the webhook, and it resolves afterwards."""
    production.keeper.paused.add("control")
    at = time.time()
    control.kill()

    def arrived(status: str) -> Callable[[], bool]:
        return lambda: any(one[1:] == ("TouchlineApiDown", status) for one in production.webhook.alerts)

    seconds = wait_until(arrived("firing"), seconds=180, what="the alert TouchlineApiDown")
    production.keeper.paused.discard("control")
    return promise(
        f"without control plane TouchlineApiDown arrives after {seconds:.0f} s ({time.time() - at:.0f})", True
    )


def are_all_logged(production: ProductionSet, load: Load, losses: list[Loss]) -> bool:
    """Every answered prediction is in the log, except those of the stated bound before the kill of a replica."""
    import psycopg

    url = production.environment["TOUCHLINE_DATABASE_URL"]
    ids = {one[1] for one in load.answered}

    def logged() -> set[str]:
        with psycopg.connect(url) as database:
            return {row[0] for row in database.execute("SELECT prediction_id FROM predictions")}

    deadline = time.monotonic() + 60
    while (missing := ids - logged()) and time.monotonic() < deadline:
        time.sleep(1)
    kills = [loss.killed_at for loss in losses if loss.part.startswith("serving")]
    times = {one[1]: one[0] for one in load.answered}
    excused = {
        one for one in missing if any(0 <= kill + 0.05 - times[one] <= KILL_BOUND_SECONDS + 0.05 for kill in kills)
    }
    lost = missing - excused
    words = (
        f"{len(ids)} answered, {len(lost)} lost; {len(excused)} within {KILL_BOUND_SECONDS} s before a replica's kill"
    )
    return promise(words, not lost)


def prove(place: Path, options: argparse.Namespace) -> bool:
    production = ProductionSet(place)
    holds = True
    try:
        began = time.monotonic()
        production.start_stores()
        write_project(place)
        production.touchline("train", "-p", "shop")
        production.start_touchline()
        production.start_watch()
        print(f"{len(production.keeper.parts)} processes and one trained project in {time.monotonic() - began:.0f} s")
        chosen = [part for part in production.keeper.parts if not options.parts or part.name in options.parts]
        losses = []
        with under_load(production.url("proxy"), production.key("scorer"), options.connections) as load:
            time.sleep(options.seconds)
            count, seconds = len(load.answered), sorted(one[2] for one in load.answered)
            rate = count / options.seconds
            p99 = seconds[int(0.99 * len(seconds))] * 1e3
            print(
                f"before any loss: {rate:.0f} requests a second, p99 {p99:.0f} ms, {len(load.failed)} failed",
                flush=True,
            )
            print(f"{'part':14} {'answered':>8} {'failed':>6} {'recovery s':>10} {'slowest s':>9}  failures")
            for part in chosen:
                loss = lose(part, load, seconds=options.seconds)
                losses.append(loss)
                figures = f"{loss.answered:8} {loss.failed:6} {loss.recovery_seconds:10.1f} {loss.slowest_seconds:9.2f}"
                print(f"{loss.part:14} {figures}  {', '.join(loss.reasons)}", flush=True)
            if not options.parts:
                holds &= retrain_through_a_kill(production)
                holds &= is_alert_sent(production, next(p for p in production.keeper.parts if p.name == "control"))
                holds &= settle_outcomes(production, [one[1] for one in load.answered[:200]])
            time.sleep(2)
        holds &= are_all_logged(production, load, losses)
    finally:
        production.keeper.close()
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--connections", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the parts are ended, too
    with tempfile.TemporaryDirectory(prefix="touchline-production-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        return 0 if prove(place, options) else 1


if __name__ == "__main__":
    sys.exit(main())
