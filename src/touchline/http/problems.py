"""The errors of requests, as RFC 9457 problem documents. The only file of this room that knows statuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import orjson

from touchline.errors import PickledByAttributes, as_sentence

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class FieldProblem:
    """One invalid field: the fault, the actual value and the allowed values."""

    field: str
    problem: str
    actual: object
    allowed: str | None

    def document(self) -> dict[str, Any]:
        actual = self.actual
        if isinstance(actual, int) and not -(2**63) <= actual < 2**63:
            actual = str(actual)[:100]  # JSON cannot express such integers, and nobody can read them
        members = {"field": self.field, "problem": self.problem, "actual": actual, "allowed": self.allowed}
        return {name: value for name, value in members.items() if value is not None or name == "field"}


class Problem(PickledByAttributes):
    """A request that fails, with the reason."""

    status = 500
    slug = "internal-error"
    title = "Internal error"

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, Any] | None = None
    ) -> None:
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        super().__init__(detail)

    def document(self, correlation_id: str | None = None) -> dict[str, Any]:
        actual: dict[str, Any] = {
            "type": f"urn:touchline:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        if correlation_id is not None:
            actual["correlation_id"] = correlation_id
        return actual

    def body(self, correlation_id: str | None = None) -> bytes:
        return orjson.dumps(self.document(correlation_id), default=str)


class InvalidRequest(Problem):
    status, slug, title = 422, "invalid-request", "The request does not fit the declared fields"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        allowed = f"; allowed: {first.allowed}" if first.allowed else ""
        others = f" (and {len(self.problems) - 1} more)" if self.problems[1:] else ""
        fault = as_sentence(f"{first.field or 'body'}: {first.problem}{allowed}{others}")
        super().__init__(
            f"{fault} See /docs for the fields.",
            members={"errors": [problem.document() for problem in self.problems]},
        )


class MalformedBody(Problem):
    status, slug, title = 400, "malformed-body", "The body is not JSON"


class BodyTooLarge(Problem):
    status, slug, title = 413, "body-too-large", "The body is too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The body has more than the {limit_bytes} bytes allowed. Send fewer rows, or a job to /predict/jobs.",
            headers={"Connection": "close"},
            members={"limit_bytes": limit_bytes},
        )


class BatchTooLarge(Problem):
    status, slug, title = 422, "batch-too-large", "Too many rows in one request"

    def __init__(self, actual: int, limit: int) -> None:
        super().__init__(
            f"The request has {actual} rows; {limit} are answered at once. Send it to /predict/jobs instead.",
            members={"actual": actual, "limit": limit},
        )


class JobTooLarge(Problem):
    status, slug, title = 422, "job-too-large", "Too many rows in one job"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A job has {limit} rows at most. Send several.", members={"limit": limit})


class JobUnfinished(Problem):
    status, slug, title = 409, "job-unfinished", "The job has no result"

    def __init__(self, job_id: str, state: str, done: int, rows: int) -> None:
        super().__init__(f"Job {job_id} is {state}: {done} of {rows} rows. Read its status first.")


class RequestTimedOut(Problem):
    status, slug, title = 408, "request-timed-out", "The body did not arrive in time"

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"The body did not arrive within {limit_seconds:g} s.", headers={"Connection": "close"})


class NotFound(Problem):
    status, slug, title = 404, "not-found", "Not found"


class NoRoute(NotFound):
    """A path that no route has; `routes` are paths as they are declared, with their parameters in braces.

    >>> NoRoute("/projects/shop/predcit", ["/projects/shop/predict", "/health"]).detail
    "No route has the path '/projects/shop/predcit'. Did you mean /projects/shop/predict? All routes: /docs"
    """

    def __init__(self, path: str, routes: Iterable[str]) -> None:
        filled = {_filled(route, path): route for route in routes}
        close = get_close_matches(path.rstrip("/") or "/", filled, n=1)
        hint = f" Did you mean {filled[close[0]]}?" if close else ""
        super().__init__(f"No route has the path {path[:200]!r}.{hint} All routes: /docs")


def _filled(route: str, path: str) -> str:
    """The route with its parameters taken from the same places of the path."""
    given = path.split("/")
    parts = route.split("/")
    return "/".join(
        given[place] if part.startswith("{") and place < len(given) else part for place, part in enumerate(parts)
    )


class MethodNotAllowed(Problem):
    status, slug, title = 405, "method-not-allowed", "Method not allowed"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method} is not allowed here; use {allowed}.", headers={"Allow": allowed})


class NoRelease(Problem):
    status, slug, title = 503, "no-release", "No release is loaded"

    def __init__(self, project: str, why: str) -> None:
        super().__init__(f"{project} cannot answer: {why}", headers={"Retry-After": "2"})


class FeaturesUnavailable(Problem):
    status, slug, title = 503, "features-unavailable", "Features cannot be read"

    def __init__(self, project: str, why: str) -> None:
        super().__init__(
            f"{project}: the online store did not answer ({why}). Ask again, or send the values as `features`.",
            headers={"Retry-After": "2"},
        )


class FeaturesStale(Problem):
    """A view whose declared fall-back is to fail had no usable value."""

    status, slug, title = 503, "features-stale", "A feature that must be fresh is not"


class Overloaded(Problem):
    status, slug, title = 503, "overloaded", "Too busy to answer"

    def __init__(self, why: str, retry_after_seconds: int = 1) -> None:
        super().__init__(f"{why} Ask again.", headers={"Retry-After": str(retry_after_seconds)})


class Unavailable(Problem):
    status, slug, title = 503, "unavailable", "A part that this needs is away"

    def __init__(self, why: str) -> None:
        super().__init__(why, headers={"Retry-After": "2"})


class NotAuthenticated(Problem):
    status, slug, title = 401, "not-authenticated", "A valid API key is needed"

    def __init__(self) -> None:
        super().__init__(
            "Send a valid key as `Authorization: Bearer KEY` or `X-API-Key: KEY`. "
            "Keys are made where the server runs: touchline keys make NAME --role ROLE.",
            headers={"WWW-Authenticate": "Bearer"},
        )


class NotAllowed(Problem):
    status, slug, title = 403, "not-allowed", "The API key's role does not allow this"

    def __init__(self, role: str, needed: str) -> None:
        super().__init__(
            f"The role of this key is {role}; {needed} is needed.", members={"role": role, "needed": needed}
        )


class ForeignOrigin(Problem):
    """A browser sends here what a page of another site told it to, while requests need no key."""

    status, slug, title = 403, "foreign-origin", "Requests of other sites are refused"

    def __init__(self, header: str, actual: str, allowed: str) -> None:
        super().__init__(
            f"{header} is {actual!r}; while no API key is made, {allowed} is allowed. Name the origin in CORS_ORIGINS, "
            "or make a key: touchline keys make.",
            members={"header": header, "actual": actual},
        )


class RateLimited(Problem):
    status, slug, title = 429, "rate-limited", "Too many requests"

    def __init__(self, per_second: float, retry_after_seconds: int) -> None:
        super().__init__(
            f"This key may send {per_second:g} requests a second. Ask again in {retry_after_seconds} s.",
            headers={"Retry-After": str(retry_after_seconds)},
        )


class InternalError(Problem):
    """An error nobody foresaw; the log has it under the correlation id."""

    def __init__(self) -> None:
        super().__init__("An unforeseen error happened; the server's log has it under the correlation id.")


@dataclass(frozen=True)
class ProblemResponse:
    """A problem as a response: status, headers and body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def respond(problem: Problem, correlation_id: str | None = None) -> ProblemResponse:
    """The response that tells a client of a problem."""
    return ProblemResponse(
        problem.status, {"Content-Type": MEDIA_TYPE, **problem.headers}, problem.body(correlation_id)
    )


def problem_of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for a status that the framework chose."""
    known = {kind.status: kind for kind in (MalformedBody, NotFound, BodyTooLarge)}
    made = Problem.__new__(known.get(status, Problem))
    Problem.__init__(made, detail, headers=headers)
    if status not in known:
        made.status, made.slug, made.title = status, f"http-{status}", detail
    return made
