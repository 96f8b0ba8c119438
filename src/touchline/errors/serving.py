"""Predictions, outcomes and keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from touchline.errors.base import TouchlineError, UsageError

_ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")

__all__ = [
    "InvalidOutcomeTime",
    "KeyNotFound",
    "KeyRequired",
    "LastAdminKey",
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
    """Ids that the prediction log does not have. `project` is None where every project was searched."""

    def __init__(self, project: str | None, prediction_ids: Sequence[str], *, advice: str | None = None) -> None:
        self.prediction_ids = tuple(prediction_ids)
        more = f" and {len(prediction_ids) - 1} more" if len(prediction_ids) > 1 else ""
        shape = "" if _ULID.fullmatch(prediction_ids[0]) else "An id has 26 capital letters and digits. "
        advice = advice or (
            "The response of /predict has the id, and `touchline outcomes -p PROJECT` lists the newest ones. "
            "One that `touchline predictions prune` took out of the database is only in its Parquet files."
        )
        super().__init__(
            f"The prediction log{f' of {project}' if project else ''} has no {prediction_ids[0]!r}{more}. {shape}"
            f"A prediction is in the log about a second after its response. {advice}"
        )

    @classmethod
    def of_outcomes(cls, project: str, prediction_ids: Sequence[str]) -> UnknownPrediction:
        """The same for outcomes, which may name the example instead. No outcome of the request was stored."""
        advice = "For one that was pruned, give the example_id. No outcome of this request was stored."
        return cls(project, prediction_ids, advice=advice)


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
            f"Train and promote one: touchline train -p {project}, touchline models promote VERSION -p {project}"
        )


class KeyRequired(UsageError):
    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(
            f"The server would listen on {host}, where other machines reach it, and no API key is made yet. "
            "Make one first, or listen on 127.0.0.1."
        )


class KeyNotFound(UsageError):
    """No valid key has this id, or no single one has this name: `same_name` are the ids of those that have it."""

    def __init__(self, key: str, same_name: Sequence[str] = ()) -> None:
        self.key, self.same_name = key, tuple(same_name)
        if same_name:
            message = (
                f"{len(same_name)} valid API keys have the name {key}: {', '.join(same_name)}. Write the id of one."
            )
        else:
            message = (
                f"There is no valid API key {key}; it was never made or is revoked already. See: touchline keys list"
            )
        super().__init__(message)


class LastAdminKey(UsageError):
    """The only key that may still change keys over HTTP."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(
            f"{key_id} is the only valid key with the role admin: without it, no key could be changed over HTTP. "
            "Make another admin key first, or revoke it on the server: touchline keys revoke"
        )


class ReleaseNotFound(TouchlineError):
    def __init__(self, project: str, release_id: str) -> None:
        self.release_id = release_id
        super().__init__(
            f"{project} has no release {release_id}, though it is referred to. "
            "Restore a backup, or promote another version."
        )
