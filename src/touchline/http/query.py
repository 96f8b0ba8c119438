"""Refuses query parameters that a route does not have: a misspelled filter must not answer without it."""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.models import Dependant

from touchline.errors import nearest
from touchline.http.problems import FieldProblem, InvalidRequest


def validate_query(request: Request) -> None:
    """Raise `InvalidRequest` where the query of a request names a parameter that its route does not declare."""
    declared = _declared(request.scope["route"].dependant)
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in declared]
    if not unknown:
        return
    allowed = ", ".join(sorted(declared)) or "none: this route takes no query"
    raise InvalidRequest(
        [
            FieldProblem(name[:100], _fault(name, declared), request.query_params[name][:200], allowed)
            for name in unknown[:50]
        ]
    )


def _declared(dependant: Dependant) -> set[str]:
    """The query parameters of a route and of what it depends on."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_declared, dependant.dependencies))


def _fault(name: str, declared: set[str]) -> str:
    hint = nearest(name, declared)
    return "is no query parameter of this route" + (f" ({hint.rstrip('?')}?)" if hint.startswith("Did") else "")
