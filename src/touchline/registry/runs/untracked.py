"""Runs without MLflow: versions are numbered, and nothing is shown. For rehearsals, whose home is a scratch folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from touchline.registry.runs.tracking import LoggedRun, RunLog, Tracking


class UntrackedRuns(Tracking):
    """In place of MLflow. `newest_version` gives the highest number of a project's versions, 0 before the first."""

    has_registry: ClassVar[bool] = False

    def __init__(self, newest_version: Callable[[str], int]) -> None:
        self.uri, self.artifacts = "none", None
        self._newest_version = newest_version

    def log_run(self, run: RunLog) -> LoggedRun:
        return LoggedRun(run.key, self._newest_version(run.project) + 1)

    def local_hashes(self, logged: LoggedRun) -> dict[str, str]:  # noqa: ARG002  # there are no files
        return {}
