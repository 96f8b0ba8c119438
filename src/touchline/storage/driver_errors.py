"""A driver's error, told in the words of `errors.py`."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, IntegrityError

from touchline.errors import BackendUnavailable, DatabaseBusy, DiskFull, TextUnstorable, TouchlineError
from touchline.storage.disk_failures import SQLITE_FULL

_SQLITE_STEPS = {
    "SQLITE_READONLY": "Make the file and its folder writable for this user, or set TOUCHLINE_HOME to another folder.",
    "SQLITE_CANTOPEN": "Check that the folder exists and that this user may write in it, or set TOUCHLINE_HOME.",
    "SQLITE_NOTADB": "The file is not a SQLite database; move it away or restore a backup.",
    "SQLITE_CORRUPT": "The file is damaged; stop touchline and restore a backup.",
    "SQLITE_IOERR": "Check the disk and its free space, then run the command again.",
}
_POSTGRES_BUSY = {"55P03", "40P01", "57014"}  # lock_not_available, deadlock_detected, query_canceled
_POSTGRES_FULL = {"53100"}
_POSTGRES_REFUSALS = {"25006", "42501"}  # read_only_sql_transaction, insufficient_privilege
# A refused connection has no state: the server's words are all there is.
_POSTGRES_STEPS = {
    "password authentication failed": (
        "Correct user and password in TOUCHLINE_DATABASE_URL or TOUCHLINE_DATABASE_URL_FILE."
    ),
    "no password supplied": "Write user and password into TOUCHLINE_DATABASE_URL or TOUCHLINE_DATABASE_URL_FILE.",
    "no pg_hba.conf entry": "Allow this machine, user and database in the server's pg_hba.conf.",
    "does not exist": "Correct TOUCHLINE_DATABASE_URL, or create it on the server (createdb, createuser).",
    "during recovery": "It is a standby: name the primary in TOUCHLINE_DATABASE_URL.",
    "read-only": "It is a standby or was set read-only: name the primary in TOUCHLINE_DATABASE_URL.",
    "permission denied": "Make the user of TOUCHLINE_DATABASE_URL the owner of the database.",
}
_POSTGRES_STEP = "Check that the server runs and that TOUCHLINE_DATABASE_URL is right, then run the command again."


BUSY_SECONDS = 30.0
"""The longest wait of a writer: longer than any of our transactions, short enough for a person."""


def storage_failure(failure: DBAPIError, database: str, *, is_write: bool) -> TouchlineError | None:
    """The error to raise instead, or None where the driver's own tells more (a broken constraint, bad SQL).

    In a read, a refused write is a mistake in the code; in a write transaction the file is read-only.
    """
    if isinstance(failure, IntegrityError) or failure.orig is None:
        return None
    code = getattr(failure.orig, "sqlite_errorname", None)
    if code is not None:
        is_begin = (failure.statement or "BEGIN").startswith(("BEGIN", "PRAGMA"))
        if code.startswith("SQLITE_READONLY") and not is_write and not is_begin:
            return None
        return _sqlite_failure(code, str(failure.orig), database)
    if getattr(failure.orig, "sqlstate", None) == "25006" and not is_write:  # read_only_sql_transaction
        return None
    return _postgres_failure(failure, database)


def _sqlite_failure(code: str, reason: str, database: str) -> TouchlineError | None:
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DatabaseBusy(database, BUSY_SECONDS)
    if code in SQLITE_FULL:
        return DiskFull("the transaction", database)
    for prefix, step in _SQLITE_STEPS.items():
        if code.startswith(prefix):
            return BackendUnavailable(database, reason, step)
    return None


def _postgres_failure(failure: DBAPIError, database: str) -> TouchlineError | None:
    state = getattr(failure.orig, "sqlstate", None)
    if type(failure.orig).__name__ == "DataError" and "NUL" in str(failure.orig):  # the driver's own, without a state
        return TextUnstorable("a NUL character")
    if state in _POSTGRES_BUSY:
        return DatabaseBusy(database, BUSY_SECONDS)
    if state in _POSTGRES_FULL:
        return DiskFull("the transaction", database)
    is_refused = state in _POSTGRES_REFUSALS or "during recovery" in str(failure.orig)
    is_lost = failure.connection_invalidated or state is None or state[:2] in {"08", "28", "3D", "53", "57"}
    if type(failure.orig).__name__ == "OperationalError" or is_refused or is_lost:
        reason = " ".join(str(failure.orig).split())
        step = next((step for words, step in _POSTGRES_STEPS.items() if words in reason), _POSTGRES_STEP)
        return BackendUnavailable(database, reason, step)
    return None
