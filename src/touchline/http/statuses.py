"""The problem document, and so the HTTP status, of each error of touchline that a route lets through."""

from __future__ import annotations

import logging
from typing import Final

from touchline.errors import (
    BackendUnavailable,
    DiskFull,
    EntityKeyMissing,
    EntityNotFound,
    EvidenceMoved,
    FeatureNotANumber,
    FeaturesExpired,
    GateFailed,
    IllegalStageChange,
    IncidentNotFound,
    InvalidOutcomeTime,
    InvalidProject,
    InvalidPush,
    InvalidView,
    KeyNotFound,
    LastAdminKey,
    ManifestNotFound,
    NotComparable,
    NotEvaluated,
    NothingInProduction,
    ObjectNotFound,
    OnlineStoreError,
    RehearsalNotFound,
    ReleaseBroken,
    ReleaseNotFound,
    RolloutConflict,
    RolloutNotFound,
    RolloutNotRunning,
    RolloutWouldHold,
    RunWaits,
    SchemaMismatch,
    SnapshotNotFound,
    StageConflict,
    TouchlineError,
    TrackingUnavailable,
    UnknownName,
    UnknownPrediction,
    UnknownRun,
    UnreadableJson,
    UsageError,
    VersionNotFound,
    ViewNotFound,
)
from touchline.http.problems import (
    FeaturesStale,
    FieldProblem,
    InternalError,
    InvalidRequest,
    MalformedBody,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Problem,
    Unavailable,
)

ACCEPTED: Final = 202
CLIENT_GONE: Final = 499  # as nginx logs it: the client left before it had a response

_log = logging.getLogger("touchline.http")


class DeclarationBroken(Problem):
    """The project's code cannot be loaded; its author has to correct it."""

    status, slug, title = 500, "declaration-broken", "The project's declaration cannot be loaded"


class Conflict(Problem):
    """The state of a thing does not allow the request now."""

    status, slug, title = 409, "conflict", "The present state does not allow this"


_CONFLICTS: Final = (
    EvidenceMoved,
    GateFailed,
    IllegalStageChange,
    LastAdminKey,
    NotComparable,
    NotEvaluated,
    NothingInProduction,
    ReleaseBroken,
    RolloutConflict,
    RolloutNotRunning,
    RolloutWouldHold,
    RunWaits,
    StageConflict,
)
_NOT_FOUND: Final = (
    EntityNotFound,
    IncidentNotFound,
    KeyNotFound,
    ManifestNotFound,
    ObjectNotFound,
    RehearsalNotFound,
    ReleaseNotFound,
    RolloutNotFound,
    SnapshotNotFound,
    UnknownName,
    UnknownRun,
    VersionNotFound,
    ViewNotFound,
)
NEEDS_KEY: Final = (NotAuthenticated.status, NotAllowed.status)
_UNAVAILABLE: Final = (BackendUnavailable, DiskFull, OnlineStoreError, SchemaMismatch, TrackingUnavailable)
_BROKEN: Final = (InvalidProject, InvalidView)


def problem_of(error: TouchlineError) -> Problem:
    """The problem document of an error. An unexpected one is logged, and its details stay private."""
    if isinstance(error, UnknownPrediction):
        return NotFound(str(error), members={"prediction_ids": list(error.prediction_ids[:50])})
    if isinstance(error, _NOT_FOUND):
        return NotFound(str(error))
    if isinstance(error, _CONFLICTS):
        return Conflict(str(error))
    if isinstance(error, FeaturesExpired):
        return FeaturesStale(str(error))
    if isinstance(error, _UNAVAILABLE):
        return Unavailable(str(error))
    if isinstance(error, _BROKEN):
        return DeclarationBroken(str(error))
    if isinstance(error, UnreadableJson):
        return MalformedBody(str(error))
    if isinstance(error, UsageError):
        return InvalidRequest([_field_problem(error)])
    _log.error("a request failed", exc_info=error)
    return InternalError()


def problem_of_any(error: Exception, correlation_id: str | None = None) -> Problem:
    """The problem document of any exception. An unforeseen one is logged, and its details stay private."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, TouchlineError):
        return problem_of(error)
    _log.error("request %s failed", correlation_id, exc_info=error)
    return InternalError()


def _field_problem(error: TouchlineError) -> FieldProblem:
    if isinstance(error, FeatureNotANumber):
        return FieldProblem(error.column, str(error), None, "number")
    if isinstance(error, InvalidOutcomeTime):
        return FieldProblem("label_timestamp", str(error).rstrip("."), error.given.isoformat(), None)
    field = "body" if isinstance(error, (EntityKeyMissing, InvalidPush)) else ""
    return FieldProblem(getattr(error, "key", field), str(error).rstrip("."), None, None)


def is_refusal(status: int) -> bool:
    """Whether the request was at fault."""
    return 400 <= status < 500


def is_server_error(status: int) -> bool:
    """Whether the server, not the client, is at fault."""
    return status >= 500
