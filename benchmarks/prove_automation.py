"""Prove under kills that a due time becomes one run, done once: several schedulers, SIGKILL, and leases slept through.

    python benchmarks/prove_automation.py [sqlite] [postgres] [--ticks 10000] [--schedulers 3] [--kills 60] [--lease 2]

Each scheduler is a process that decides due times and does runs as the worker does: under the project's lease, in three
recorded steps, each with one row as its effect; the step `promote` writes a stage change. Meanwhile processes are
killed and others are stopped for longer than their lease. The table of effects refuses nothing, so that an effect that
happens twice is counted, and one that a woken process writes after another has taken over is seen by its older token.

The databases lie in memory (`/dev/shm`, PostgreSQL without fsync): SIGKILL loses nothing that a process has written, so
this proof needs no disk, whose fsync is nine tenths of the time of a run. PostgreSQL ends the transaction of a stopped
process after 25 s: `--lease 25` lets each takeover there be measured against the lease alone.
`--database` goes on with one that an earlier call with fewer `--ticks` left.
A broken promise ends the program with exit code 1.
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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import running_postgres
from touchline.automation.runs.pipeline import carried_out
from touchline.automation.runs.records import PipelineRuns
from touchline.automation.schedule.records import ScheduleRecords
from touchline.automation.schedule.triggers import Due, times_between
from touchline.clock import FrozenClock, SystemClock
from touchline.errors import LeaseHeld, LeaseLost, RunStopped, TouchlineError
from touchline.project import Retrain
from touchline.registry.journal.journal import Journal, Move
from touchline.storage import Database, hold_lease, lease_holder
from touchline.storage.postgres import IDLE_SECONDS
from touchline.storage.tables import stage_changes

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
POLICY: Final = Retrain(schedule="* * * * *")
STEPS: Final = ("ingest", "train", "promote")
LEASE_NAME: Final = "proof:pipeline"
SPARE_SECONDS: Final = 5
RUNS_AT_ONCE: Final = 50
_META: Final = sa.MetaData()
EFFECTS: Final = sa.Table(
    "proof_effects",
    _META,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Index("proof_effects_run", "run_id", "step"),
)
FENCED: Final = sa.Table("proof_fenced", _META, sa.Column("token", sa.BigInteger, nullable=False))


@dataclass(frozen=True)
class Size:
    """How much is proved: due times, schedulers, kills and stops together, and the lease in seconds."""

    ticks: int = 10_000
    schedulers: int = 3
    kills: int = 60
    lease: float = 2.0


def schedule(url: str, ticks: int, lease_seconds: float) -> None:
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
            is_idle = not _work(database, runs, timedelta(seconds=lease_seconds))
        except (LeaseHeld, RunStopped):
            is_idle = False
        except LeaseLost as lost:
            with database.begin() as connection:
                connection.execute(sa.insert(FENCED).values(token=lost.token))
            is_idle = False
        except TouchlineError as failure:  # a busy database; tried again
            print(failure, file=sys.stderr)
            is_idle = False
        if is_idle and decided == ticks and not runs.waiting(1):
            return


def _work(database: Database, runs: PipelineRuns, ttl: timedelta) -> bool:
    clock = SystemClock()
    if lease_holder(database, LEASE_NAME, ttl=ttl, now=clock.wall()) is not None:
        time.sleep(0.01)
        return True
    with hold_lease(database, LEASE_NAME, holder=f"proof:{os.getpid()}", ttl=ttl, clock=clock) as lease:
        waiting = runs.waiting(RUNS_AT_ONCE)
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
    """One row for a run and step, or a change in the journal for `promote`; an attempt after the first finds it.

    The look and the write are two transactions, as in the product: only the lease's token keeps a process that slept
    between them from writing.
    """
    if step == "promote":
        return _promote(database, record, run_id, token)
    mine = (EFFECTS.c.run_id == run_id) & (EFFECTS.c.step == step)
    with database.connect() as connection:
        if connection.scalar(sa.select(sa.func.count()).where(mine)):
            return False
    with database.begin() as connection:
        record.require_lease(connection)
        connection.execute(sa.insert(EFFECTS).values(run_id=run_id, step=step, token=token))
    return True


def _promote(database: Database, record: Any, run_id: str, token: int) -> bool:
    journal = Journal(database, SystemClock())
    with database.connect() as connection:
        if connection.scalar(sa.select(sa.func.count()).where(stage_changes.c.reason == run_id)):
            return False
    head = journal.head("proof")
    moves = [Move(head + 1, "None", "Staging", run_id, ticket=str(token))]
    journal.append("proof", moves, expected=head, actor="proof", fence=record.require_lease)
    return True


def prove(url: str, name: str, size: Size) -> bool:
    """Run the schedulers against kills and stops, then count; whether every promise holds."""
    with closing(Database.open(url)) as database:
        database.migrate()
        with database.begin() as connection:
            _META.create_all(connection)
        began = time.perf_counter()
        harm = Harm(database, url, size)
        harm.run()
        print(
            f"{name}: {size.ticks} times, {size.schedulers} schedulers, lease {size.lease:g} s; {harm.killed} killed",
            end="",
        )
        print(f", {harm.stopped} stopped beyond their lease; {time.perf_counter() - began:.0f} s")
        return _count(database, size, harm, is_server=not url.startswith("sqlite"))


class Harm:
    """Keeps the schedulers of one proof running, and kills or stops one of them at random moments."""

    def __init__(self, database: Database, url: str, size: Size) -> None:
        self._database, self._size, self._chance = database, size, random.Random(size.ticks)
        self._command = [
            sys.executable,
            __file__,
            "--worker",
            url,
            "--ticks",
            str(size.ticks),
            "--lease",
            str(size.lease),
        ]
        self._workers = [subprocess.Popen(self._command) for _ in range(size.schedulers)]
        self.killed = self.stopped = 0
        self.after_kills: list[float] = []
        self.after_stops: list[float] = []

    def run(self) -> None:
        """Until all have ended."""
        while any(worker.poll() is None for worker in self._workers):
            time.sleep(self._chance.uniform(0.2, 1.0))
            done = self.killed + self.stopped
            if done < self._size.kills and done % 3 != 2:
                self._kill()
            elif done < self._size.kills:
                self._sleep_through()

    def _kill(self) -> None:
        """Kill one at random and start another; where it held the lease, the time until another has it is noted."""
        place, holder = self._chance.randrange(len(self._workers)), self._holder()
        pid = self._workers[place].pid
        self._workers[place].kill()
        self._workers[place].wait()
        began = time.monotonic()
        if holder == pid:
            self._wait_for_another(pid)
            self.after_kills.append(time.monotonic() - began)
        self._workers[place] = subprocess.Popen(self._command)
        self.killed += 1

    def _sleep_through(self) -> None:
        """Stop the holder of the lease until another process has it, then wake it.

        It is stopped while nobody writes: on SQLite the only write lock would stay with a process that sleeps in a
        transaction. On PostgreSQL it may wait for its turn, which the server then gives to the sleeping process.
        """
        pid = self._holder()
        if pid is None:
            return
        with suppress(ProcessLookupError):  # it has ended meanwhile
            with self._database.begin():
                os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            self._wait_for_another(pid)
            self.after_stops.append(time.monotonic() - began)
            os.kill(pid, signal.SIGCONT)
            self.stopped += 1

    def _holder(self) -> int | None:
        ttl = timedelta(seconds=self._size.lease)
        holder = lease_holder(self._database, LEASE_NAME, ttl=ttl, now=datetime.now(UTC))
        return int(holder.rpartition(":")[2]) if holder else None

    def _wait_for_another(self, pid: int) -> None:
        runs, began = PipelineRuns(self._database, "proof"), time.monotonic()
        while self._holder() in (None, pid) and runs.waiting(1) and time.monotonic() - began < 2 * IDLE_SECONDS:
            time.sleep(0.02)


def _count(database: Database, size: Size, harm: Harm, *, is_server: bool) -> bool:
    """Count by plain SQL what has happened."""
    longest = (max(size.lease, IDLE_SECONDS) if is_server else size.lease) + SPARE_SECONDS
    statuses = _rows(database, "SELECT status, count(*) FROM pipeline_runs GROUP BY status")
    done = "SELECT name, count(DISTINCT run_id) FROM pipeline_steps WHERE status = 'done' GROUP BY name"
    steps = dict(_rows(database, done))
    effects = _rows(database, "SELECT count(*), count(DISTINCT run_id || ' ' || step) FROM proof_effects")[0]
    changes = _rows(database, "SELECT count(*), count(DISTINCT reason) FROM stage_changes")[0]
    decided = _rows(database, "SELECT count(*), count(DISTINCT run_id) FROM schedule_ticks WHERE verdict = 'run'")[0]
    tokens = [row[0] for row in _rows(database, "SELECT token FROM proof_effects ORDER BY sequence")]
    promoted = [int(row[0]) for row in _rows(database, "SELECT ticket FROM stage_changes ORDER BY sequence")]
    fenced = _rows(database, "SELECT count(*) FROM proof_fenced")[0][0]
    killed, stopped = max(harm.after_kills, default=0.0), max(harm.after_stops, default=0.0)
    wanted = (len(STEPS) - 1) * size.ticks
    promises = {
        f"{decided[0]} times decided, each with a run of its own": decided == (size.ticks, size.ticks),
        f"runs by status: {dict(statuses)}": statuses == [("done", size.ticks)],
        f"runs with the step done: {steps}": steps == dict.fromkeys(STEPS, size.ticks),
        f"{effects[0]} effects, {effects[1]} different ones": effects == (wanted, wanted),
        f"{changes[0]} promotions of {changes[1]} runs": changes == (size.ticks, size.ticks),
        f"{fenced} processes fenced off, no write under an older token": tokens == sorted(tokens)
        and promoted == sorted(promoted),
        f"{len(harm.after_kills)} killed holders replaced after at most {killed:.1f} s": killed < longest,
        f"{len(harm.after_stops)} stopped holders replaced after at most {stopped:.1f} s, allowed are {longest:g} s": (
            stopped < longest
        ),
    }
    for promise, holds in promises.items():
        print(f"  {promise}: {'ok' if holds else 'BROKEN'}", flush=True)
    return all(promises.values())


def _rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=["sqlite", "postgres", []], default=[])
    parser.add_argument("--ticks", type=int, default=Size.ticks)
    parser.add_argument("--schedulers", type=int, default=Size.schedulers)
    parser.add_argument("--kills", type=int, default=Size.kills)
    parser.add_argument("--lease", type=float, default=Size.lease, help="seconds")
    parser.add_argument("--database", help="URL of a database; times that an earlier call has done stay done")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        schedule(given.worker, given.ticks, given.lease)
        return 0
    which, holds = given.which or ["sqlite", "postgres"], True
    size = Size(given.ticks, given.schedulers, given.kills, given.lease)
    if given.database:
        return 0 if prove(given.database, given.database.partition(":")[0], size) else 1
    memory = Path("/dev/shm")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None))
        if "sqlite" in which:
            holds &= prove(f"sqlite:///{folder}/touchline.db", "SQLite", size)
        if "postgres" in which:
            holds &= prove(stack.enter_context(running_postgres()), "PostgreSQL", size)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
