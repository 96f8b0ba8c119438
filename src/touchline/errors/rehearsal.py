"""Rehearsals."""

from __future__ import annotations

from touchline.errors.base import UsageError

__all__ = ["BacktestRefused", "RehearsalNotFound", "RehearsalRefused"]


class BacktestRefused(UsageError):
    """A backtest that cannot be run."""

    def __init__(self, project: str, reason: str) -> None:
        self.project, self.reason = project, reason
        super().__init__(f"{project}: no backtest: {reason.rstrip('.')}.")


class RehearsalNotFound(UsageError):
    """An id that no stored report of a rehearsal has."""

    def __init__(self, project: str, report_id: str) -> None:
        self.project, self.report_id = project, report_id
        super().__init__(
            f"{project} has no rehearsal {report_id!r}. Rehearse a policy: touchline rehearse -p {project}"
        )


class RehearsalRefused(UsageError):
    """A rehearsal that cannot be run, or a policy that cannot be written into the declaration."""

    def __init__(self, project: str, reason: str) -> None:
        self.project, self.reason = project, reason
        super().__init__(f"{project}: nothing was changed: {reason.rstrip('.')}.")
