"""The holder of the API key of a request, and the name that stands beside their changes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from touchline.http.key_ring import Caller


def caller_of(request: Request) -> Caller:
    """The holder of the API key of a request, as admission has found it."""
    caller: Caller = request.state.caller
    return caller


def actor_of(request: Request) -> str:
    """Whose name stands beside a change in the journal: never one that the request's body gives."""
    return caller_of(request).name or "api"


ActorOfRequest = Annotated[str, Depends(actor_of)]
