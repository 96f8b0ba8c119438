"""`/session`: who asks, and what their role lets them do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from touchline.http import Role
from touchline.http.callers import caller_of

root = APIRouter(tags=["system"])


class Session(BaseModel):
    """The holder of the key of a request. `refusal` says why they may not change anything; null: they may."""

    name: str
    role: Role
    is_open: Annotated[bool, Field(description="no key was made yet, and only this machine can ask")]
    refusal: str | None


@root.get("/session", summary="Who asks, and what their role lets them do")
def get_session(request: Request) -> Session:
    caller = caller_of(request)
    refusal = None if caller.may("operator") else f"Your key has the role {caller.role}; a change needs operator."
    return Session(name=caller.name, role=caller.role, is_open=not caller.key_id, refusal=refusal)
