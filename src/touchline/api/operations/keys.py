"""`/keys`: the API keys of the server without their secrets, their journal, rotation and revocation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from touchline import http
from touchline.api.state import Api, api_of
from touchline.api.stored_fields import Reason
from touchline.clock import SystemClock
from touchline.http import Role
from touchline.http.api_keys import require_other_admin
from touchline.http.callers import ActorOfRequest, caller_of

root = APIRouter(tags=["system"])
KeyId = Annotated[str, Path(description="id of the key, as the list has it")]


class KeyDocument(BaseModel):
    """A key: whose it is, what it may do, and when it was used. The server knows no secret, only its hash."""

    id: str
    name: str
    role: Role
    state: Literal["valid", "expired", "revoked"]
    created_at: datetime
    last_used_at: datetime | None = Field(description="exact to a minute; null: never")
    expires_at: datetime | None
    revoked_at: datetime | None
    is_own: bool = Field(description="the key of this request")


class KeyChangeDocument(BaseModel):
    """A line of the journal of the keys."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    key_id: str
    act: Literal["made", "rotated", "revoked"]
    at: datetime
    actor: str
    reason: str


class KeyList(BaseModel):
    """All keys, oldest first. `refusal` says why the holder of this key may not change them; null: they may."""

    sentence: str
    refusal: str | None
    keys: list[KeyDocument]
    changes: list[KeyChangeDocument] = Field(description="newest first")


class KeyReason(BaseModel):
    """Why a key is changed. Who changes it is the holder of the request's key."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Reason


class KeyRotation(KeyReason):
    """The old key works for `overlap_hours` more, so that its clients can take the new one."""

    overlap_hours: int = Field(24, ge=0, le=24 * 90)


class RotatedKey(BaseModel):
    """The text of the new key. It is given once: the server stores only its hash."""

    key: str
    keys: KeyList


@root.get("/keys", summary="The API keys, without their secrets")
def get_keys(request: Request) -> KeyList:
    return _list(request)


@root.post("/keys/{key_id}/rotate", summary="Replace a key by a new one")
def post_rotation(request: Request, actor: ActorOfRequest, key_id: KeyId, body: KeyRotation) -> RotatedKey:
    by, overlap = http.KeyDecision(actor, body.reason), timedelta(hours=body.overlap_hours)
    serving = _api(request).serving
    text = http.rotate_key(serving.database, key_id, now=_wall(), overlap=overlap, by=by)
    serving.keys.read_again()
    return RotatedKey(key=text, keys=_list(request))


@root.post("/keys/{key_id}/revoke", summary="Revoke a key")
def post_revocation(request: Request, actor: ActorOfRequest, key_id: KeyId, body: KeyReason) -> KeyList:
    """It stops working within a second, and cannot be made valid again. The last admin key is not revoked here."""
    serving, now = _api(request).serving, _wall()
    require_other_admin(serving.database, key_id, now=now)
    http.revoke_key(serving.database, key_id, now=now, by=http.KeyDecision(actor, body.reason))
    serving.keys.read_again()
    return _list(request)


def _list(request: Request) -> KeyList:
    caller, database, now = caller_of(request), _api(request).serving.database, _wall()
    keys = http.list_keys(database)
    refusal = None if caller.may("admin") else f"Your key has the role {caller.role}; changing keys needs admin."
    return KeyList(
        sentence=http.keys_sentence(keys, now),
        refusal=refusal,
        keys=[KeyDocument(**vars(key), state=key.state(now), is_own=key.id == caller.key_id) for key in keys],
        changes=[KeyChangeDocument.model_validate(change) for change in http.key_history(database)],
    )


def _api(request: Request) -> Api:
    return api_of(request)


def _wall() -> datetime:
    return SystemClock().wall()
