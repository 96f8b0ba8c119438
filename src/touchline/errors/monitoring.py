"""Statistics and monitoring."""

from __future__ import annotations

from collections.abc import Collection

from touchline.errors.base import TouchlineError, UsageError, nearest

__all__ = ["DriftColumnUnknown", "InvalidSample", "ProfileMismatch", "RecalibrationRefused", "TooFewClusters"]


class InvalidSample(TouchlineError):
    """Numbers that a statistic cannot be computed from."""

    def __init__(self, statistic: str, actual: str, allowed: str = "finite numbers, at least one") -> None:
        self.statistic, self.actual, self.allowed = statistic, actual, allowed
        super().__init__(f"{statistic} cannot be computed from {actual}. Allowed: {allowed}.")


class TooFewClusters(TouchlineError):
    """A comparison over clusters that are too few to say anything."""

    def __init__(self, actual: int, needed: int) -> None:
        self.actual, self.needed, self.missing = actual, needed, needed - actual
        super().__init__(
            f"{actual} clusters (such as match days) are too few to compare two models: {needed} are needed. "
            f"Wait for {self.missing} more, or evaluate on a longer test window."
        )


class RecalibrationRefused(TouchlineError):
    """New class shares do not explain what changed, or cannot be estimated."""

    def __init__(self, project: str, version: int, reason: str, step: str) -> None:
        self.project, self.version, self.reason = project, version, reason
        super().__init__(f"{project} version {version} was not recalibrated: {reason}. {step}")


class DriftColumnUnknown(UsageError):
    """A drift rule names a column that the released model does not have."""

    def __init__(self, name: str, allowed: Collection[str]) -> None:
        self.name = name
        super().__init__(
            f"Drift rule names column {name!r}, which the released model does not have. {nearest(name, allowed)}"
        )


class ProfileMismatch(TouchlineError):
    """Logged rows that cannot be compared with a release's profile."""

    def __init__(self, release_id: str, actual: str, allowed: str) -> None:
        self.release_id = release_id
        super().__init__(
            f"Release {release_id}: logged predictions have {actual}, its drift profile has {allowed}. "
            "The log and the release do not belong together; promote the version again to rebuild its release."
        )
