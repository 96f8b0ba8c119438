"""Which HTTP status an error of touchline has: the only file of this room that knows statuses."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import FastAPI, Request, Response

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
from touchline.http.problems import (
    FieldProblem,
    InternalError,
    InvalidRequest,
    NotFound,
    Problem,
    Unavailable,
    respond,
)

_log = logging.getLogger("touchline.api")


class DeclarationBroken(Problem):
    """The project's code cannot be loaded; its author has to correct it."""

    status, slug, title = 500, "declaration-broken", "The project's declaration cannot be loaded"


class UnknownEntity(NotFound):
    """An entity that no view has ever known."""

    def __init__(self, entity: str, key: str, plural: str) -> None:
        where = f"/api/feature-store/{plural} lists those there are."
        super().__init__(f"No feature view knows the {entity} {key!r}. {where}")


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
_AWAY: Final = (BackendUnavailable, FeaturesExpired, OnlineStoreError, TrackingUnavailable)


def add_error_handler(app: FastAPI) -> None:
    """Answer an error that a route lets through with a problem document."""

    @app.exception_handler(TouchlineError)
    async def on_error(request: Request, wrong: TouchlineError) -> Response:
        found = respond(problem_of(wrong), getattr(request.state, "correlation_id", None))
        return Response(found.body, found.status, found.headers)


def problem_of(wrong: TouchlineError) -> Problem:
    """The problem that tells of an error; one that nobody foresaw here is logged and kept private."""
    if isinstance(wrong, _NOT_FOUND):
        return NotFound(str(wrong))
    if isinstance(wrong, _INVALID):
        return InvalidRequest([FieldProblem(getattr(wrong, "key", None) or "body", str(wrong), None, None)])
    if isinstance(wrong, _AWAY):
        return Unavailable(str(wrong))
    if isinstance(wrong, InvalidProject):
        return DeclarationBroken(str(wrong))
    if isinstance(wrong, UsageError):
        return InvalidRequest([FieldProblem("", str(wrong), None, None)])
    _log.error("a request failed", exc_info=wrong)
    return InternalError()
