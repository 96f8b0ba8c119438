"""Predictions, outcomes and keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from touchline.errors.base import TouchlineError, UsageError

__all__ = [
    "InvalidOutcomeTime",
    "KeyNotFound",
    "KeyRequired",
    "MissingColumns",
    "NothingInProduction",
    "ReleaseNotFound",
    "UnknownPrediction",
]


class InvalidOutcomeTime(UsageError):
    """A label that would be known before computers were, or is known only later."""

    def __init__(self, given: datetime, now: datetime) -> None:
        self.given = given
        super().__init__(
            f"label_timestamp {given.isoformat()} is not when a label became known: from 1970 to now "
            f"({now:%Y-%m-%d %H:%M:%S}Z) is allowed. Leave it out for a label that became known now."
        )


class UnknownPrediction(UsageError):
    def __init__(self, project: str, prediction_ids: Sequence[str]) -> None:
        self.prediction_ids = tuple(prediction_ids)
        more = f" and {len(prediction_ids) - 1} more" if len(prediction_ids) > 1 else ""
        super().__init__(
            f"{project} has no logged prediction {prediction_ids[0]}{more}. "
            "A prediction is in the log a second after its answer; for one older than the log keeps, "
            "give the example_id."
        )


class MissingColumns(UsageError):
    def __init__(self, project: str, missing: Sequence[str], actual: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(
            f"{project} cannot score these rows: {', '.join(map(repr, missing))} missing. "
            f"They have {', '.join(actual) or 'no columns'}."
        )


class NothingInProduction(TouchlineError):
    def __init__(self, project: str) -> None:
        self.project = project
        super().__init__(
            f"{project} has no version in Production, so nothing can answer. "
            "Train and promote one: touchline train, touchline models promote"
        )


class KeyRequired(UsageError):
    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(
            f"The server would listen on {host}, where other machines reach it, and no API key is made yet. "
            "Make one first, or listen on 127.0.0.1."
        )


class KeyNotFound(UsageError):
    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(f"There is no valid API key {key_id}; it was never made or is revoked already.")


class ReleaseNotFound(TouchlineError):
    def __init__(self, project: str, release_id: str) -> None:
        self.release_id = release_id
        super().__init__(
            f"{project} has no release {release_id}, though it is referred to. "
            "Restore a backup, or promote another version."
        )
