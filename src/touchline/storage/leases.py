"""Leases: one process at a time does a named piece of work, and a killed one does not block it for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from touchline.clock import Clock
from touchline.errors import BackendUnavailable, DiskFull, LeaseHeld, LeaseLost
from touchline.storage.database import Database
from touchline.storage.process_identity import has_ended, this_process
from touchline.storage.tables import leases

_RENEWALS_PER_TTL = 3
"""One renewal may fail and the next still comes in time."""


@dataclass(frozen=True)
class Lease:
    """The right to do `name`, alone. `token` grows with every holder: the fencing token."""

    name: str
    holder: str
    token: int

    def require(self, connection: Connection) -> None:
        """Raise `LeaseLost` unless this lease is still the newest: call it in the transaction that writes."""
        found = connection.execute(select(leases.c.token).where(leases.c.name == self.name)).scalar()
        if found != self.token:
            raise LeaseLost(self.name, self.token)


@contextmanager
def hold_lease(database: Database, name: str, *, holder: str, ttl: timedelta, clock: Clock) -> Iterator[Lease]:
    """Hold a lease while the block runs; it is renewed in the background and freed at the end.

    Raises `LeaseHeld`, naming the holder, while another process has it. A lease is free when it was given
    back, when its holder was a process of this machine that has ended, or when it was not renewed for `ttl`:
    by wall time, or, as where a clock went back, by the looks of this process. All holders of a name have one `ttl`.

    >>> from tempfile import TemporaryDirectory
    >>> from touchline.clock import SystemClock
    >>> with TemporaryDirectory() as folder:
    ...     database = Database.open(f"sqlite:///{folder}/touchline.db")
    ...     database.migrate()
    ...     ttl = timedelta(minutes=1)
    ...     with hold_lease(database, "nba/train", holder="ann", ttl=ttl, clock=SystemClock()) as lease:
    ...         print(lease.holder, lease.token)
    ...     database.close()
    ann 1
    """
    lease = _take(database, name, holder=holder, ttl=ttl, now=clock.wall())
    ended = threading.Event()
    renewal = threading.Thread(target=_keep, args=(database, lease, ttl, clock, ended), daemon=True)
    renewal.start()
    try:
        yield lease
    finally:
        ended.set()
        renewal.join()
        _give_back(database, lease, now=clock.wall())


def lease_holder(database: Database, name: str, *, ttl: timedelta, now: datetime) -> str | None:
    """Who holds a lease at an instant of wall time; None where it is free."""
    lease = held_lease(database, name, ttl=ttl, now=now)
    return None if lease is None else lease.holder


def held_lease(database: Database, name: str, *, ttl: timedelta, now: datetime) -> Lease | None:
    """The lease that somebody holds at an instant of wall time, with its token; None where it is free."""
    with database.connect() as connection:
        found = connection.execute(select(leases).where(leases.c.name == name)).one_or_none()
    if found is None or _is_free(database, found, ttl=ttl, now=now):
        return None
    return Lease(name, found.holder, found.token)


def _is_free(database: Database, row: Row[Any], *, ttl: timedelta, now: datetime) -> bool:
    """Whether the holder gave the lease back, has ended or no longer renews it.

    Each renewal writes another instant, so an instant that stays for `ttl` of this process's own clock tells that
    nobody renews, whatever the wall clocks of two machines say.
    """
    unchanged = database.lease_sightings.unchanged_seconds(row.name, (row.token, row.expires_at))
    return row.expires_at <= now or has_ended(row.process) or unchanged >= ttl.total_seconds()


def _take(database: Database, name: str, *, holder: str, ttl: timedelta, now: datetime) -> Lease:
    with database.begin() as connection:
        found = connection.execute(select(leases).where(leases.c.name == name)).one_or_none()
        if found is not None and not _is_free(database, found, ttl=ttl, now=now):
            raise LeaseHeld(name, found.holder, found.expires_at)
        token = 1 if found is None else found.token + 1
        connection.execute(delete(leases).where(leases.c.name == name))
        row = {"name": name, "holder": holder, "process": this_process(), "token": token, "expires_at": now + ttl}
        connection.execute(insert(leases).values(row))
    return Lease(name, holder, token)


def _keep(database: Database, lease: Lease, ttl: timedelta, clock: Clock, ended: threading.Event) -> None:
    while not ended.wait(ttl.total_seconds() / _RENEWALS_PER_TTL):
        try:
            if not _set_expiry(database, lease, clock.wall() + ttl):
                return  # another process holds it now; `require` stops the next write
        except (BackendUnavailable, DiskFull):
            continue  # the next renewal may reach the database; if none does, the lease passes on by itself


def _give_back(database: Database, lease: Lease, *, now: datetime) -> None:
    # The row stays, so that the next token is higher than any that was given out. A database that is away does
    # not turn finished work into a failure: the lease runs out by itself.
    with suppress(BackendUnavailable, DiskFull):
        _set_expiry(database, lease, now)


def _set_expiry(database: Database, lease: Lease, expires_at: datetime) -> bool:
    """Whether the lease was still this holder's."""
    mine = (leases.c.name == lease.name) & (leases.c.token == lease.token)
    with database.begin() as connection:
        return connection.execute(update(leases).where(mine).values(expires_at=expires_at)).rowcount == 1
