"""API keys: made once, kept as a hash, checked against a copy in memory."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_address
from typing import Final, Literal, get_args

import sqlalchemy as sa

from touchline.errors import KeyNotFound, KeyRequired, TouchlineError
from touchline.storage import Database
from touchline.storage.tables import api_keys
from touchline.storage.ulids import Ulids

Role = Literal["viewer", "scorer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)  # each may do all that the ones before it may
_RANKS: Final = {role: rank for rank, role in enumerate(ROLES)}


@dataclass(frozen=True)
class ApiKey:
    """A key as it is listed: never the secret."""

    id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


def make_key(database: Database, name: str, role: Role, *, now: datetime) -> str:
    """A new key. This is the only time its text is known; the database keeps a hash."""
    key_id = Ulids().next()
    text = f"tl_{key_id}_{secrets.token_urlsafe(32)}"
    with database.begin() as connection:
        connection.execute(
            sa.insert(api_keys).values(id=key_id, name=name, role=role, key_hash=_hash(text), created_at=now)
        )
    return text


def revoke_key(database: Database, key_id: str, *, now: datetime) -> None:
    """The key stops working within a second; raises `KeyNotFound`."""
    change = sa.update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    with database.begin() as connection:
        if connection.execute(change.values(revoked_at=now)).rowcount == 0:
            raise KeyNotFound(key_id)


def list_keys(database: Database) -> list[ApiKey]:
    """All keys ever made, oldest first."""
    columns = [api_keys.c[name] for name in ApiKey.__dataclass_fields__]
    with database.connect() as connection:
        rows = connection.execute(sa.select(*columns).order_by(api_keys.c.id)).mappings()
        return [ApiKey(**row) for row in rows]


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


@dataclass(frozen=True)
class Caller:
    """The id, role and name of a key. The name stands in the journal beside what its holder changes."""

    key_id: str
    role: Role
    name: str = ""

    def may(self, needed: Role) -> bool:
        return _RANKS[self.role] >= _RANKS[needed]


OPEN: Final = Caller("", "admin", "local user")
"""The caller where no key was made yet and only this machine can ask."""


class KeyRing:
    """The valid keys in memory. `refresh` reads the database, requests do not."""

    def __init__(self, database: Database, *, is_open: bool) -> None:
        self._database, self._watch = database, database.watch()
        self._may_be_open = is_open
        self._keys: Mapping[str, tuple[bytes, Caller]] = {}
        self._any_made = True  # closed until the first refresh has looked

    @property
    def is_open(self) -> bool:
        """Whether requests need no key: none was ever made, and only this machine can ask."""
        return self._may_be_open and not self._any_made

    def refresh(self) -> None:
        """Read the keys again if the database may have changed."""
        if not self._watch.may_have_changed():
            return
        try:
            with self._database.connect() as connection:
                rows = connection.execute(sa.select(api_keys)).all()
        except TouchlineError:
            self._watch.reset()
            raise
        valid = {
            row.id: (row.key_hash.encode(), Caller(row.id, row.role, row.name))
            for row in rows
            if row.revoked_at is None
        }
        self._keys, self._any_made = valid, bool(rows)

    def caller(self, presented: str | None) -> Caller | None:
        """The client of this key; None for a wrong key."""
        if self.is_open:
            return OPEN
        if presented is None:
            return None
        key_id = presented[3:29] if presented.startswith("tl_") else ""
        # An unknown id is compared too, so that the time says nothing about which ids exist.
        expected, caller = self._keys.get(key_id, (b"0" * 64, None))
        return caller if hmac.compare_digest(_hash(presented).encode(), expected) else None


def _hash(text: str) -> str:
    # The secret has 256 bits of chance: a slow hash would protect nothing that a fast one does not.
    return sha256(text.encode()).hexdigest()
