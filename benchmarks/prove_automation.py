"""Prove under kills that a due time becomes one run, done once: several schedulers, SIGKILL, and leases slept through.

    python benchmarks/prove_automation.py [sqlite] [postgres] [--ticks 10000] [--schedulers 3] [--kills 60]

Each scheduler is a process that decides due times and does runs as the worker does: under the project's lease, in three
recorded steps, each with one row as its effect. Meanwhile processes are killed and others are stopped for longer than
their lease. At the end every time has one run that is done, every step of every run one effect, and no step counts
whose process had lost its lease. A broken promise ends the program with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import running_postgres
from touchline.automation.pipeline import carried_out
from touchline.automation.run_records import PipelineRuns
from touchline.automation.schedule.records import ScheduleRecords
from touchline.automation.schedule.triggers import Due, times_between
from touchline.clock import FrozenClock
from touchline.errors import LeaseHeld, LeaseLost, RunStopped, TouchlineError
from touchline.project import Retrain
from touchline.storage import Database, hold_lease, lease_holder
from touchline.storage.postgres import IDLE_SECONDS

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
POLICY: Final = Retrain(schedule="* * * * *")
LEASE: Final = timedelta(seconds=2)
LONGEST: Final = IDLE_SECONDS + LEASE.total_seconds() + 5
STEPS: Final = ("ingest", "train", "promote")
_META: Final = sa.MetaData()
EFFECTS: Final = sa.Table(
    "proof_effects",
    _META,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
)


def schedule(url: str, ticks: int) -> None:
    """One scheduler and worker, until every time is decided and no run waits."""
    database, clock = Database.open(url), FrozenClock(BEGAN)
    records, runs = ScheduleRecords(database, "proof"), PipelineRuns(database, "proof")
    times = list(times_between(POLICY, BEGAN, BEGAN + timedelta(minutes=ticks)))
    decided = 0
    while True:
        for at in times[decided : decided + 20]:
            records.decide(Due("retrain", "schedule", at, "proof"), clock=clock)
        decided = min(decided + 20, ticks)
        try:
            is_idle = not _work(database, runs, clock)
        except (LeaseHeld, LeaseLost, RunStopped):
            is_idle = False
        except TouchlineError as failure:  # a busy database; tried again
            print(failure, file=sys.stderr)
            is_idle = False
        if is_idle and decided == ticks and not runs.waiting():
            return


def _work(database: Database, runs: PipelineRuns, clock: FrozenClock) -> bool:
    if lease_holder(database, "proof:pipeline", now=clock.wall()) is not None:
        time.sleep(0.01)
        return True
    with hold_lease(database, "proof:pipeline", holder=f"proof:{os.getpid()}", ttl=LEASE, clock=clock) as lease:
        waiting = runs.waiting()[:50]
        for run in waiting:
            context: Any = SimpleNamespace(
                stores=SimpleNamespace(database=database),
                project=SimpleNamespace(name="proof"),
                loaded=SimpleNamespace(code_hash="c"),
                clock=clock,
            )
            with carried_out(context, run, lease) as record:
                for step in STEPS:
                    with record.step(step) as output:
                        output["is_new"] = _effect(database, record, run.id, step, lease.token)
                record.finish("done", {})
    return bool(waiting)


def _effect(database: Database, record: Any, run_id: str, step: str, token: int) -> bool:
    """One row for a run and step: an attempt after the first finds it."""
    with database.begin() as connection:
        record.require_lease(connection)
        mine = (EFFECTS.c.run_id == run_id) & (EFFECTS.c.step == step)
        if connection.scalar(sa.select(sa.func.count()).where(mine)):
            return False
        connection.execute(sa.insert(EFFECTS).values(run_id=run_id, step=step, token=token))
    return True


def prove(url: str, name: str, *, ticks: int, schedulers: int, kills: int) -> bool:
    """Run the schedulers against kills and stops, then count; whether every promise holds."""
    with closing(Database.open(url)) as database:
        return _prove(database, url, name, ticks=ticks, schedulers=schedulers, kills=kills)


def _prove(database: Database, url: str, name: str, *, ticks: int, schedulers: int, kills: int) -> bool:
    chance, began = random.Random(7), time.perf_counter()
    database.migrate()
    with database.begin() as connection:
        _META.create_all(connection)
    command = [sys.executable, __file__, "--worker", url, "--ticks", str(ticks)]
    workers = [subprocess.Popen(command) for _ in range(schedulers)]
    killed = stopped = 0
    takeovers: list[float] = []
    while any(worker.poll() is None for worker in workers):
        time.sleep(chance.uniform(0.2, 1.0))
        if killed + stopped < kills:
            place = chance.randrange(schedulers)
            if (killed + stopped) % 3 != 2:
                workers[place].kill()
                workers[place].wait()
                workers[place] = subprocess.Popen(command)
                killed += 1
            elif (holder := lease_holder(database, "proof:pipeline", now=datetime.now(UTC))) is not None:
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    takeovers.append(_sleep_through(database, int(holder.rpartition(":")[2])))
                stopped += 1
    print(f"{name}: {ticks} times, {killed} processes killed, {stopped} stopped beyond their lease", end="; ")
    print(f"{time.perf_counter() - began:.0f} s")
    return _count(database, ticks, takeovers)


def _sleep_through(database: Database, pid: int) -> float:
    """Stop the holder of the lease until another process has it, then wake it; the seconds until then.

    On SQLite it is stopped outside a transaction: its only write lock stays with a process that sleeps in one. On
    PostgreSQL the server ends such a transaction after `IDLE_SECONDS`.
    """
    runs, mine = PipelineRuns(database, "proof"), f"proof:{pid}"
    with database.begin():
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    while time.monotonic() - began < LONGEST and runs.waiting():
        if lease_holder(database, "proof:pipeline", now=datetime.now(UTC)) not in (None, mine):
            break
        time.sleep(0.02)
    seconds = time.monotonic() - began
    os.kill(pid, signal.SIGCONT)
    return seconds


def _count(database: Database, ticks: int, takeovers: list[float]) -> bool:
    counts = PipelineRuns(database, "proof").counts()
    decided = len(ScheduleRecords(database, "proof").ticks(ticks + 10))
    with database.connect() as connection:
        effects = connection.scalar(sa.select(sa.func.count()).select_from(EFFECTS)) or 0
    longest = max(takeovers, default=0.0)
    promises = {
        f"{decided} times decided": decided == ticks,
        f"runs by status: {counts}": counts == {"done": ticks},
        f"{effects} effects of {len(STEPS)} steps": effects == ticks * len(STEPS),
        f"stopped holders were replaced after at most {longest:.1f} s": longest < LONGEST,
    }
    for promise, holds in promises.items():
        print(f"  {promise}: {'ok' if holds else 'BROKEN'}", flush=True)
    return all(promises.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=["sqlite", "postgres", []], default=[])
    parser.add_argument("--ticks", type=int, default=10_000)
    parser.add_argument("--schedulers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        schedule(given.worker, given.ticks)
        return 0
    which, holds = given.which or ["sqlite", "postgres"], True
    size = {"ticks": given.ticks, "schedulers": given.schedulers, "kills": given.kills}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if "sqlite" in which:
            holds &= prove(f"sqlite:///{folder}/touchline.db", "SQLite", **size)
        if "postgres" in which:
            holds &= prove(stack.enter_context(running_postgres()), "PostgreSQL", **size)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
