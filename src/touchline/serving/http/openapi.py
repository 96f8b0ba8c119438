"""The OpenAPI document: FastAPI's, with the fields of the releases in Production and the problem documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field

from touchline.http.problems import MEDIA_TYPE

_FAILURES = {
    400: "The body is not JSON",
    401: "A valid API key is needed",
    403: "The key's role does not allow this",
    404: "Not found",
    408: "The body did not arrive in time",
    409: "The resource is not in a state that allows this",
    413: "Too many bytes or rows",
    422: "A field does not fit; `errors` names each with what is allowed",
    429: "Too many requests for this key",
    503: "No release, no features, or too busy; Retry-After says when to try again",
}
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": _PROBLEM} for status, text in _FAILURES.items()
}
"""The responses that any route may give instead of its own."""


class FieldProblem(BaseModel):
    """A field that does not fit, the value found and the values allowed."""

    field: str
    problem: str = ""
    actual: Any = None
    allowed: str = ""


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    correlation_id: str = ""
    errors: list[FieldProblem] = Field(default=[])


def document_of(app: FastAPI, routers: Sequence[APIRouter]) -> dict[str, Any]:
    """The document of the routers of the projects, then of all other routes of the application."""
    routes = [route for router in routers for route in router.routes] + list(app.routes)
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=routes)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
    return document
