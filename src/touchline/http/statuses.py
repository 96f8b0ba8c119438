"""The problem document, and so the HTTP status, of each error of touchline that a route lets through."""

from __future__ import annotations

import logging
from typing import Final

from touchline.errors import (
    BackendUnavailable,
    EntityKeyMissing,
    EntityNotFound,
    FeaturesExpired,
    InvalidEntityKey,
    InvalidProject,
    InvalidPush,
    ObjectNotFound,
    OnlineStoreError,
    ReleaseNotFound,
    SnapshotNotFound,
    TouchlineError,
    TrackingUnavailable,
    UnknownName,
    UsageError,
    VersionNotFound,
    ViewNotFound,
)
from touchline.http.problems import FieldProblem, InternalError, InvalidRequest, NotFound, Problem, Unavailable

_log = logging.getLogger("touchline.http")


class DeclarationBroken(Problem):
    """The project's code cannot be loaded; its author has to correct it."""

    status, slug, title = 500, "declaration-broken", "The project's declaration cannot be loaded"


_NOT_FOUND: Final = (
    EntityNotFound,
    ObjectNotFound,
    ReleaseNotFound,
    SnapshotNotFound,
    UnknownName,
    VersionNotFound,
    ViewNotFound,
)
_INVALID: Final = (EntityKeyMissing, InvalidEntityKey, InvalidPush)
_UNAVAILABLE: Final = (BackendUnavailable, FeaturesExpired, OnlineStoreError, TrackingUnavailable)


def problem_of(error: TouchlineError) -> Problem:
    """The problem document of an error. An unexpected one is logged, and its details stay private."""
    if isinstance(error, _NOT_FOUND):
        return NotFound(str(error))
    if isinstance(error, _INVALID):
        return InvalidRequest([FieldProblem(getattr(error, "key", None) or "body", str(error), None, None)])
    if isinstance(error, _UNAVAILABLE):
        return Unavailable(str(error))
    if isinstance(error, InvalidProject):
        return DeclarationBroken(str(error))
    if isinstance(error, UsageError):
        return InvalidRequest([FieldProblem("", str(error), None, None)])
    _log.error("a request failed", exc_info=error)
    return InternalError()
