"""API keys: made once, kept as a hash, rotated and revoked with a reason in a journal of their own."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from touchline.errors import KeyNotFound, KeyRequired, LastAdminKey
from touchline.storage import Database
from touchline.storage.change_watch import ChangeWatch
from touchline.storage.tables import api_keys, key_changes
from touchline.storage.ulids import Ulids

Role = Literal["viewer", "scorer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)  # each may do all that the ones before it may
_SOON: Final = timedelta(days=14)
_USE_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class ApiKey:
    """A key as it is listed: never the secret. `last_used_at` is exact to a minute."""

    id: str
    name: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether a request with it is answered at `now`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True)
class StoredKey(ApiKey):
    """A key with the hash of its text, for those who check requests."""

    key_hash: str


@dataclass(frozen=True)
class KeyDecision:
    """Who changes a key, and why: both stand in the journal of the keys."""

    actor: str = "local user"
    reason: str = ""


_LOCAL: Final = KeyDecision()


@dataclass(frozen=True)
class KeyChange:
    """One line of the journal of the keys. It is appended to, and never changed."""

    id: str
    key_id: str
    act: Literal["made", "rotated", "revoked"]
    at: datetime
    actor: str
    reason: str


def make_key(
    database: Database,
    name: str,
    role: Role,
    *,
    now: datetime,
    lasts: timedelta | None = None,
    by: KeyDecision = _LOCAL,
) -> str:
    """A new key. This is the only time its text is known; the database keeps a hash."""
    with database.begin() as connection:
        key_id, text = _insert(connection, name, role, now=now, lasts=lasts)
        _note(connection, key_id, "made", now=now, by=by)
    return text


def rotate_key(database: Database, key_id: str, *, now: datetime, overlap: timedelta, by: KeyDecision) -> str:
    """A new key of the same name, role and lifetime; the old one works for `overlap` more. Raises `KeyNotFound`."""
    with database.begin() as connection:
        old = _valid_key(connection, key_id, now)
        lasts = None if old.expires_at is None else old.expires_at - old.created_at
        new_id, text = _insert(connection, old.name, old.role, now=now, lasts=lasts)
        ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
        connection.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(expires_at=ends))
        _note(connection, key_id, "rotated", now=now, by=by)
        _note(connection, new_id, "made", now=now, by=KeyDecision(by.actor, f"in place of {key_id}: {by.reason}"))
    return text


def revoke_key(database: Database, key_id: str, *, now: datetime, by: KeyDecision = _LOCAL) -> None:
    """The key stops working within a second; raises `KeyNotFound`."""
    change = sa.update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    with database.begin() as connection:
        if connection.execute(change.values(revoked_at=now)).rowcount == 0:
            raise KeyNotFound(key_id)
        _note(connection, key_id, "revoked", now=now, by=by)


def find_key(database: Database, id_or_name: str, *, now: datetime) -> str:
    """The id of a key by its id, or by a name that one valid key has; raises `KeyNotFound`.

    Two keys have the same name while one is replaced by the other.
    """
    keys = list_keys(database)
    if any(key.id == id_or_name for key in keys):
        return id_or_name
    named = [key.id for key in keys if key.name == id_or_name and key.state(now) == "valid"]
    if len(named) != 1:
        raise KeyNotFound(id_or_name, named)
    return named[0]


def require_other_admin(database: Database, key_id: str, *, now: datetime) -> None:
    """Raise `LastAdminKey` for the only key that can still change keys over HTTP."""
    admins = [key.id for key in list_keys(database) if key.role == "admin" and key.state(now) == "valid"]
    if admins == [key_id]:
        raise LastAdminKey(key_id)


def record_use(database: Database, key_id: str, *, now: datetime) -> None:
    """Store that a key was used; several processes together write at most once a minute."""
    column = api_keys.c.last_used_at
    is_old = sa.or_(column.is_(None), column < now - _USE_EVERY)
    with database.begin() as connection:
        connection.execute(sa.update(api_keys).where(api_keys.c.id == key_id, is_old).values(last_used_at=now))


def list_keys(database: Database) -> list[ApiKey]:
    """All keys ever made, oldest first."""
    with database.connect() as connection:
        return _keys(connection)


def stored_keys(database: Database) -> list[StoredKey]:
    """The same with their hashes."""
    with database.connect() as connection:
        return [StoredKey(**row) for row in connection.execute(sa.select(api_keys)).mappings()]


def watch_keys(database: Database) -> ChangeWatch:
    """Says for one reader whether keys may have been made or ended since it read them."""
    return database.watch(key_changes)


def key_history(database: Database, *, limit: int = 50) -> list[KeyChange]:
    """The newest changes of keys, newest first."""
    newest = sa.select(key_changes).order_by(key_changes.c.id.desc()).limit(limit)
    with database.connect() as connection:
        return [KeyChange(**row) for row in connection.execute(newest).mappings()]


def keys_sentence(keys: Sequence[ApiKey], now: datetime) -> str:
    """The verdict on the keys: how many are valid, and which of them somebody should look at.

    >>> keys_sentence([], datetime(2024, 6, 1))
    'No API key was made: requests from this machine need none.'
    """
    if not keys:
        return "No API key was made: requests from this machine need none."
    valid = [key for key in keys if key.state(now) == "valid"]
    if not valid:
        return "No API key is valid any more: every request is refused. Make one: touchline keys make NAME --role admin"
    lasting = {key.name for key in valid if key.expires_at is None or key.expires_at > now + _SOON}
    ending = [key.name for key in valid if key.name not in lasting]
    unused = [key.name for key in valid if key.last_used_at is None]
    parts = [f"{len(valid)} valid {'key' if len(valid) == 1 else 'keys'}"]
    parts += [f"never used: {', '.join(unused)}"] if unused else []
    parts += [f"to be rotated within {_SOON.days} days: {', '.join(ending)}"] if ending else []
    return "; ".join(parts) + "."


def require_key(database: Database, host: str) -> None:
    """Raise `KeyRequired` where requests from other machines would be open to everybody."""
    if is_loopback(host):
        return
    if not any(key.revoked_at is None for key in list_keys(database)):
        raise KeyRequired(host)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def key_hash(text: str) -> str:
    """The hash under which a key is stored."""
    # The secret has 256 bits of chance: a slow hash would protect nothing that a fast one does not.
    return sha256(text.encode()).hexdigest()


def _insert(
    connection: sa.Connection, name: str, role: Role, *, now: datetime, lasts: timedelta | None
) -> tuple[str, str]:
    """The id and the text of a new key."""
    key_id = Ulids().next()
    text = f"tl_{key_id}_{secrets.token_urlsafe(32)}"
    row: dict[str, Any] = {"id": key_id, "name": name, "role": role, "key_hash": key_hash(text), "created_at": now}
    row["expires_at"] = None if lasts is None else now + lasts
    connection.execute(sa.insert(api_keys).values(row))
    return key_id, text


def _note(connection: sa.Connection, key_id: str, act: str, *, now: datetime, by: KeyDecision) -> None:
    row = {"id": Ulids().next(), "key_id": key_id, "act": act, "at": now, "actor": by.actor, "reason": by.reason}
    connection.execute(sa.insert(key_changes).values(row))


def _valid_key(connection: sa.Connection, key_id: str, now: datetime) -> ApiKey:
    found = next((key for key in _keys(connection) if key.id == key_id), None)
    if found is None or found.state(now) != "valid":
        raise KeyNotFound(key_id)
    return found


def _keys(connection: sa.Connection) -> list[ApiKey]:
    columns = [api_keys.c[name] for name in ApiKey.__dataclass_fields__]
    rows = connection.execute(sa.select(*columns).order_by(api_keys.c.id)).mappings()
    return [ApiKey(**row) for row in rows]
