"""PostgreSQL with the guarantees of SQLite: one writer at a time, and reads that never write."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table

from touchline.storage.driver_errors import BUSY_SECONDS

# Any number that other software in the same database is unlikely to have chosen ("touchlin" in ASCII).
_TURN = 0x746F7563686C696E

WRITE: dict[str, Any] = {"isolation_level": "READ COMMITTED", "postgresql_readonly": False}
READ: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

IDLE_SECONDS: Final = BUSY_SECONDS - 5


def engine_options() -> dict[str, Any]:
    # A server that restarted is noticed before a connection is used, not by the statement that loses.
    return {
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": 10, "options": f"-c timezone=UTC -c lock_timeout={BUSY_SECONDS:.0f}s"},
    }


def prepare(engine: Engine, *, is_flushed: bool) -> None:
    """Nothing to set up: the server's database exists already, and the server decides when it flushes."""


def row_counter(engine: Engine, tables: Sequence[Table]) -> Callable[[], Hashable]:  # noqa: ARG001  one signature
    """PostgreSQL has no counter of commits that costs less than a query: the rows are not known."""
    return lambda: None


def wait_for_turn(connection: Connection) -> None:
    """Wait until no other `begin()` is open; the turn ends with the transaction.

    The server ends the transaction of a process that stands still in it, before those that wait for it give up.
    """
    idle = f"set_config('idle_in_transaction_session_timeout', '{IDLE_SECONDS:.0f}s', true)"
    connection.exec_driver_sql(f"SELECT {idle}, pg_advisory_xact_lock({_TURN})")


def file_identity(_engine: Engine) -> tuple[int, int] | None:
    """None: a server has no file of ours."""
    return None
