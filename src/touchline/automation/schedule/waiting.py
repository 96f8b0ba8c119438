"""The runs that have not ended: which one is worked on, which wait, which a pause holds, which lost their process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from touchline.automation.runs.pipeline import PIPELINE_LEASE, pipeline_lease_name
from touchline.automation.runs.records import PipelineRuns, Run, cancel_runs
from touchline.automation.schedule.records import Pause, ScheduleRecords
from touchline.automation.schedule.triggers import TRIGGERS, Job
from touchline.storage import held_lease

if TYPE_CHECKING:
    from datetime import datetime

    from touchline.automation.stores import Stores


@dataclass(frozen=True)
class WaitingRuns:
    """The runs of a project that have not ended.

    `working` is the run that a process works on; `gone` have begun and their process is gone; `queued` wait to begin.
    `held_ids` are those of the gone and the queued that a pause keeps waiting.
    """

    project: str
    working: Run | None
    gone: tuple[Run, ...]
    queued: tuple[Run, ...]
    held_ids: frozenset[str] = frozenset()

    @property
    def ready(self) -> list[Run]:
        """The runs that somebody may take, in their order: all but the one in work and those that are held."""
        return [run for run in (*self.gone, *self.queued) if run.id not in self.held_ids]

    def held(self, job: str) -> list[Run]:
        """The runs of a job that its pause keeps waiting."""
        return [run for run in (*self.gone, *self.queued) if run.job == job and run.id in self.held_ids]

    def as_shown(self, runs: Sequence[Run]) -> list[Run]:
        """The runs as a person sees them: one whose process is gone is `stopped`, with the reason and the next step."""
        gone = {run.id for run in self.gone}
        return [
            replace(run, status="stopped", detail={**run.detail, "error": self.gone_reason(run)})
            if run.id in gone
            else run
            for run in runs
        ]

    def gone_reason(self, run: Run) -> str:
        """Why a run whose process is gone stands still, and the next command."""
        return f"its process is gone; {self.next_command(run)}"

    def next_command(self, run: Run) -> str:
        """What makes a run go on whose process is gone."""
        if run.id in self.held_ids:
            return f"{run.job} is paused: touchline schedule resume {run.job} -p {self.project}"
        go_on = (
            f"touchline retrain --due -p {self.project}"
            if run.job == "retrain"
            else f"touchline schedule run --once {self.project}"
        )
        return f"to go on: {go_on}; to withdraw it: touchline schedule cancel {run.job} -p {self.project}"


def schedule_sentence(
    waiting: WaitingRuns, next_at: datetime | None, *, pause: Pause | None, has_scheduler: bool
) -> str:
    """What runs or waits, and when the next training is due, in words; `next_at` is project time."""
    working, project, held = waiting.working, waiting.project, len(waiting.held_ids)
    parts = []
    if working is not None and working.started_at is not None:
        parts.append(f"{working.job} runs since {working.started_at:%Y-%m-%d %H:%M} (wall clock)")
    if (free := len(waiting.ready)) > 0:
        start = ", and no scheduler runs that would take it: touchline up, or touchline schedule run"
        parts.append(f"{free} waiting for a worker{'' if has_scheduler else start}")
    parts += [f"{held} held by a pause"] if held else []
    if pause is not None:
        due = pause.in_words("retrain", project)
    else:
        due = (
            f"the next training is due {next_at:%Y-%m-%d %H:%M} (project time)"
            if next_at
            else "no schedule is declared"
        )
    return f"{', '.join(parts or ['Nothing runs'])}; {due}."


def read_waiting(project: str, stores: Stores) -> WaitingRuns:
    """The runs of a project that have not ended, from its records and the lease of its pipeline."""
    lease = held_lease(stores.database, pipeline_lease_name(project), ttl=PIPELINE_LEASE, now=stores.clock.wall())
    paused = ScheduleRecords(stores.database, project).paused()
    runs = PipelineRuns(stores.database, project).waiting()
    begun = [run for run in runs if run.status == "running"]
    working = next((run for run in begun if lease is not None and run.token == lease.token), None)
    queued = tuple(run for run in runs if run.status == "queued")
    gone = tuple(run for run in begun if run is not working)
    held = (run.id for run in (*gone, *queued) if run.job in paused and run.trigger in TRIGGERS)
    return WaitingRuns(project, working, gone, queued, frozenset(held))


def cancel_waiting(project: str, stores: Stores, job: Job, *, actor: str, reason: str) -> list[Run]:
    """Withdraw the runs of a job that nobody works on; those that were withdrawn."""
    waiting = read_waiting(project, stores)
    runs = [run for run in (*waiting.gone, *waiting.queued) if run.job == job]
    error = f"cancelled by {actor}{f': {reason}' if reason.strip() else ''}"
    return cancel_runs(stores.database, runs, error, clock=stores.clock)
