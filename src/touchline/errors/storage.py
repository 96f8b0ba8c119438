"""The database, the objects and the leases."""

from __future__ import annotations

from datetime import datetime

from touchline.errors.base import TouchlineError, UsageError, as_sentence

__all__ = [
    "BackendUnavailable",
    "DatabaseAhead",
    "DatabaseBehind",
    "DatabaseBusy",
    "DiskFull",
    "InvalidObjectKey",
    "LeaseHeld",
    "LeaseLost",
    "ObjectNotFound",
    "SchemaMismatch",
    "StoredFileDamaged",
    "TextUnstorable",
]


class BackendUnavailable(TouchlineError):
    """A database or store does not answer or refuses; nothing of the interrupted write was kept."""

    def __init__(self, what: str, reason: str, next_step: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{as_sentence(f'{what} is not available: {reason}')} {next_step}")


class DatabaseBusy(BackendUnavailable):
    def __init__(self, what: str, waited_seconds: float) -> None:
        super().__init__(
            what,
            f"another process held the write lock for more than {waited_seconds:g} s",
            "Nothing was written; look for a process that hangs (`touchline doctor`) and run the command again.",
        )


class DiskFull(TouchlineError):
    """There is no room for a write; what was stored before is untouched."""

    def __init__(self, what: str, place: str) -> None:
        self.what, self.place = what, place
        super().__init__(
            f"No space left to write {what} in {place}. What was stored before is untouched; "
            "free some space or raise the quota, then run the same command again."
        )


class SchemaMismatch(TouchlineError):
    """The database's tables and this version of touchline do not fit each other."""


class DatabaseAhead(SchemaMismatch):
    def __init__(self, database: str, actual: str, allowed: str) -> None:
        self.actual, self.allowed = actual, allowed
        super().__init__(
            f"{database} was written by a newer touchline: its schema is {actual}, this version knows up to {allowed}. "
            "Nothing was changed; install the newer touchline, or restore a backup from before it."
        )


class DatabaseBehind(SchemaMismatch):
    def __init__(self, database: str, actual: str | None, needed: str) -> None:
        self.actual, self.needed = actual, needed
        super().__init__(
            f"{database} has schema {actual or 'none'}, this version of touchline needs {needed}. "
            "Run: touchline migrate"
        )


class ObjectNotFound(TouchlineError):
    def __init__(self, key: str, store: str) -> None:
        self.key = key
        super().__init__(
            f"No object {key!r} in {store}. It was never written there or was deleted; "
            "check TOUCHLINE_HOME and TOUCHLINE_OBJECTS_URL, or restore it from a backup."
        )


class InvalidObjectKey(TouchlineError):
    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"{key!r} cannot name an object: a key is a relative path with '/' between parts and no part "
            "that is empty, '.' or '..'."
        )


class LeaseHeld(TouchlineError):
    def __init__(self, name: str, holder: str, expires_at: datetime) -> None:
        self.name, self.holder, self.expires_at = name, holder, expires_at
        super().__init__(
            f"{name} is being done by {holder} (until {expires_at:%Y-%m-%d %H:%M:%S} UTC unless it goes on). "
            "Wait for it to end, then run the command again."
        )


class LeaseLost(TouchlineError):
    def __init__(self, name: str, token: int) -> None:
        self.name, self.token = name, token
        super().__init__(
            f"The lease {name} (token {token}) passed to another process while this one stood still. "
            "Nothing more was written by this one; run the command again."
        )


class StoredFileDamaged(TouchlineError):
    """A stored file is not what was written; it is never read as data."""

    def __init__(self, key: str, actual: str, expected: str) -> None:
        self.key, self.actual, self.expected = key, actual, expected
        super().__init__(
            f"The stored file {key} is damaged: {actual}; it was written with {expected}. Nothing was read from it. "
            "See what can be rebuilt: touchline doctor; rebuild it: touchline doctor --repair."
        )


class TextUnstorable(UsageError):
    """A text that a database cannot keep: trying again changes nothing."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"A text has {what}, which the database cannot keep. Send the text without it.")
