"""Rehearsals."""

from __future__ import annotations

from touchline.errors.base import UsageError

__all__ = ["BacktestRefused", "RehearsalRefused"]


class BacktestRefused(UsageError):
    """A backtest that cannot be run."""

    def __init__(self, project: str, reason: str) -> None:
        self.project, self.reason = project, reason
        super().__init__(f"{project}: no backtest: {reason.rstrip('.')}.")


class RehearsalRefused(UsageError):
    """A rehearsal that cannot be run, or a policy that cannot be written into the declaration."""

    def __init__(self, project: str, reason: str) -> None:
        self.project, self.reason = project, reason
        super().__init__(f"{project}: nothing was changed: {reason.rstrip('.')}.")
