"""Runs of the pipeline that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from touchline.errors.base import TouchlineError, UsageError

__all__ = [
    "BackfillTooLarge",
    "KeyReused",
    "NothingScheduled",
    "RunStopped",
    "RunWaits",
    "StepNotReached",
    "TimeAhead",
    "TimesReversed",
    "UnknownRun",
]


class UnknownRun(UsageError):
    def __init__(self, project: str, run_id: str) -> None:
        self.project, self.run_id = project, run_id
        super().__init__(
            f"Project {project!r} has no run {run_id!r}. To see its runs: touchline schedule show -p {project}"
        )


class NothingScheduled(UsageError):
    """Times of a schedule that the project does not declare."""

    def __init__(self, project: str, job: str) -> None:
        self.project, self.job = project, job
        declared = "retrain=Retrain" if job == "retrain" else "daily=Daily"
        super().__init__(
            f'{project} declares no schedule for {job}, so it has no times. Declare {declared}(schedule="0 4 * * *")'
        )


class BackfillTooLarge(UsageError):
    """A backfill that asks for more runs than a person may have meant."""

    def __init__(self, project: str, job: str, times: Sequence[datetime], *, allowed: int) -> None:
        self.project, self.job, self.times, self.allowed = project, job, tuple(times), allowed
        super().__init__(
            f"{project}: this backfill of {job} asks for {len(times)} runs, from {times[0]:%Y-%m-%d %H:%M} to "
            f"{times[-1]:%Y-%m-%d %H:%M}. More than {allowed} need a confirmation, so nothing is queued. Give a later "
            "--from, an earlier --until, or --yes to ask for all of them"
        )


class TimesReversed(UsageError):
    """A stretch of time that ends before it begins."""

    def __init__(self, first: str, begin: datetime, last: str, end: datetime) -> None:
        self.begin, self.end = begin, end
        super().__init__(
            f"{last} ({end:%Y-%m-%d %H:%M}) is not after {first} ({begin:%Y-%m-%d %H:%M}), so no time lies between "
            "them. Exchange them, or give an earlier --from"
        )


class StepNotReached(UsageError):
    """A fork from a step that the run never came to: nothing is there to take over."""

    def __init__(self, run_id: str, step: str, missing: Sequence[str]) -> None:
        self.run_id, self.step, self.missing = run_id, step, tuple(missing)
        super().__init__(
            f"Run {run_id} cannot be forked from {step}: it never finished {', '.join(missing)}. "
            "Fork from an earlier step, or start anew: touchline retrain"
        )


class RunStopped(TouchlineError):
    """A run of the pipeline that cannot go on; it has been ended with this reason."""

    def __init__(self, project: str, run_id: str, reason: str) -> None:
        self.project, self.run_id, self.reason = project, run_id, reason
        super().__init__(
            f"Run {run_id} of {project} was ended: {reason}. To start anew: touchline retrain -p {project}"
        )


class TimeAhead(UsageError):
    """Times of a schedule that are still to come."""

    def __init__(self, until: datetime, now: datetime) -> None:
        self.until = until
        super().__init__(
            f"--until ({until:%Y-%m-%d %H:%M}) is later than now ({now:%Y-%m-%d %H:%M}). Times to come are decided "
            "when they come; give an --until that has passed, or none"
        )


class KeyReused(UsageError):
    """An idempotency key that was sent before, with another request."""

    def __init__(self, project: str, run_id: str) -> None:
        super().__init__(
            f"This Idempotency-Key has asked {project} for run {run_id} before, with another body. Send a new key for "
            "a new request, or the same body to ask again."
        )


class RunWaits(TouchlineError):
    """A run of the same job waits or goes on; a second one would find nothing new."""

    def __init__(self, project: str, job: str, run_id: str, status: str) -> None:
        self.project, self.job, self.run_id, self.status = project, job, run_id, status
        super().__init__(
            f"{project}: run {run_id} ({job}) is {status}, and a second one would find nothing new. Wait for its end: "
            f"touchline schedule show -p {project}"
        )
