"""The valid API keys in memory: every request is checked against them without reading the database."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from touchline.clock import SystemClock
from touchline.errors import TouchlineError
from touchline.http.api_keys import ROLES, Role, StoredKey, key_hash, record_use, stored_keys, watch_keys
from touchline.storage import Database

_RANKS: Final = {role: rank for rank, role in enumerate(ROLES)}
_SYSTEM: Final = SystemClock()
# `last_used_at` is exact to this span: a busy key costs one write of the database in it, not one a request.
_USE_EVERY: Final = timedelta(minutes=1)


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

    def __init__(self, database: Database, *, is_open: bool, wall: Callable[[], datetime] = _SYSTEM.wall) -> None:
        self._database, self._watch, self._wall = database, watch_keys(database), wall
        self._may_be_open = is_open
        self.is_open = False
        """Whether requests need no key: none was ever made, and only this machine can ask."""
        self._stored: Sequence[StoredKey] = ()
        self._valid: Mapping[str, tuple[bytes, Caller]] = {}
        self._used: set[str] = set()
        self._recorded: dict[str, datetime] = {}
        self._turn = threading.Lock()

    def refresh(self) -> None:
        """Read the keys again if any may have changed, and leave out those that have expired by now."""
        with self._turn:
            if self._watch.may_have_changed():
                self._read()
            now = self._wall()
            self._valid = {
                key.id: (key.key_hash.encode(), Caller(key.id, key.role, key.name))
                for key in self._stored
                if key.state(now) == "valid"
            }

    def read_again(self) -> None:
        """Know a key that this process has made or ended before its client hears of it."""
        self._watch.reset()
        with suppress(TouchlineError):  # the database went away just now: the next look reads them
            self.refresh()

    def record_uses(self) -> None:
        """Store when the keys of the requests since the last call were used: a minute's precision."""
        now, used = self._wall(), list(self._used)
        self._used.clear()
        for key_id in used:
            if key_id not in self._recorded or now - self._recorded[key_id] >= _USE_EVERY:
                record_use(self._database, key_id, now=now)
                self._recorded[key_id] = now

    def caller(self, presented: str | None) -> Caller | None:
        """The client of this key; None for a wrong key."""
        if self.is_open:
            return OPEN
        if presented is None:
            return None
        key_id = presented[3:29] if presented.startswith("tl_") else ""
        # An unknown id is compared too, so that the time says nothing about which ids exist.
        expected, caller = self._valid.get(key_id, (b"0" * 64, None))
        if not hmac.compare_digest(key_hash(presented).encode(), expected):
            return None
        self._used.add(key_id)
        return caller

    def _read(self) -> None:
        try:
            keys = stored_keys(self._database)
        except TouchlineError:
            self._watch.reset()
            raise
        self._stored, self.is_open = keys, self._may_be_open and not keys
