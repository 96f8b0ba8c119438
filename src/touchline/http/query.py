"""Refuses query parameters that a route does not have: a misspelled filter must not answer without it."""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.models import Dependant

from touchline.http.validation_words import refuse_undeclared


def validate_query(request: Request) -> None:
    """Raise `InvalidRequest` where the query of a request names a parameter that its route does not declare."""
    refuse_undeclared(request.query_params, _declared(request.scope["route"].dependant))


def _declared(dependant: Dependant) -> set[str]:
    """The query parameters of a route and of what it depends on."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_declared, dependant.dependencies))
