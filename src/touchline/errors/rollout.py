"""Rollouts."""

from __future__ import annotations

from collections.abc import Sequence

from touchline.errors.base import TouchlineError, UsageError

__all__ = [
    "ProbeFailed",
    "RolloutConflict",
    "RolloutNotFound",
    "RolloutNotRunning",
    "RolloutRefused",
    "RolloutWouldHold",
]


class RolloutRefused(UsageError):
    """A rollout that would not lead to a decision, or not to a valid one; nothing was started."""

    def __init__(self, project: str, version: int, reason: str, next_step: str) -> None:
        self.project, self.version, self.reason = project, version, reason
        super().__init__(f"{project} version {version}: no rollout was started, because {reason}. {next_step}")


class RolloutNotRunning(UsageError):
    def __init__(self, project: str, act: str, status: str) -> None:
        self.project = project
        step = "touchline rollout start" if status == "does not run" else "touchline rollout status"
        super().__init__(f"{project}: a rollout that {status} cannot be {act}. See {step} -p {project}")


class RolloutWouldHold(UsageError):
    """`fault` is what stopped the rollout; it is in the evidence, which a resume does not change."""

    def __init__(self, project: str, fault: str) -> None:
        self.project, self.fault = project, fault
        super().__init__(
            f"{project}: the rollout cannot be resumed: the next check would hold it again, since {fault}. Find which "
            "requests or outcomes are lost, repeated or wrong; where they cannot be mended, begin anew with units that "
            f"are drawn again: touchline rollout abort -p {project} --reason '...', and touchline rollout start "
            f"-p {project}"
        )


class RolloutNotFound(UsageError):
    def __init__(self, project: str, number: int, allowed: Sequence[int]) -> None:
        self.project, self.number = project, number
        numbers = ", ".join(map(str, sorted(allowed))) or "none yet"
        super().__init__(
            f"{project} has no rollout {number}. Rollouts: {numbers}. See touchline rollout history -p {project}"
        )


class RolloutConflict(TouchlineError):
    """Something else happened to the rollout first; nothing was written."""

    def __init__(self, project: str) -> None:
        self.project = project
        super().__init__(
            f"{project}: the rollout has moved on meanwhile, and nothing of this change was written. Look again: "
            f"touchline rollout status -p {project}"
        )


class ProbeFailed(TouchlineError):
    """The server does not answer from the release that the journal has in Production."""

    def __init__(self, project: str, release: str, actual: str, seconds: float) -> None:
        self.project, self.release, self.actual = project, release, actual
        super().__init__(
            f"{project}: release {release} is in Production, but after {seconds:.1f} s the server answered: {actual}. "
            "See touchline doctor and the server's log (touchline logs api)"
        )
