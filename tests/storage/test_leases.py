from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.storage.children import finish, kill, start, wait_for_line
from touchline.clock import SystemClock
from touchline.errors import LeaseHeld, LeaseLost
from touchline.storage import Database, hold_lease, lease_holder, tables
from touchline.storage.sightings import Sightings

HOUR = timedelta(hours=1)

HOLD = """
import sys
from datetime import timedelta
from touchline.clock import SystemClock
from touchline.storage import Database, hold_lease
database = Database.open(sys.argv[1])
with hold_lease(database, "nba/train", holder="the child", ttl=timedelta(hours=1), clock=SystemClock()):
    print("held", flush=True)
    sys.stdin.readline()
database.close()
"""

# Each child counts up a file-less counter under the lease: a read, a pause for the others, a write.
TAKE_TURNS = """
import sys
from datetime import timedelta
from sqlalchemy import select, update
from touchline.clock import SystemClock
from touchline.errors import LeaseHeld
from touchline.storage import Database, hold_lease
from touchline.storage.tables import http_requests
database = Database.open(sys.argv[1])
done = 0
while done < 5:
    try:
        with hold_lease(database, "count", holder="x", ttl=timedelta(hours=1), clock=SystemClock()) as lease:
            with database.connect() as connection:
                count = connection.execute(select(http_requests.c.count)).scalar_one()
            with database.begin() as connection:
                lease.require(connection)
                connection.execute(update(http_requests).values(count=count + 1))
            done += 1
    except LeaseHeld:
        pass
database.close()
"""


class SetClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2009, 4, 15, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def wall(self) -> datetime:
        return self.time

    def move_to(self, instant: datetime) -> None:
        self.time = instant


def test_a_held_lease_names_its_holder(any_database: Database) -> None:
    clock = SetClock()
    with hold_lease(any_database, "nba/train", holder="ann", ttl=HOUR, clock=clock):
        again = hold_lease(any_database, "nba/train", holder="bob", ttl=HOUR, clock=clock)
        with pytest.raises(LeaseHeld, match=r"nba/train is being done by ann \(until 2009-04-15 01:00:00 UTC"), again:
            pass


def test_every_holder_gets_a_higher_token(any_database: Database) -> None:
    tokens = []
    for _ in range(3):
        with hold_lease(any_database, "nba/train", holder="ann", ttl=HOUR, clock=SetClock()) as lease:
            tokens.append(lease.token)
    assert tokens == [1, 2, 3]


def test_two_names_do_not_meet(database: Database) -> None:
    clock = SetClock()
    first = hold_lease(database, "nba/train", holder="ann", ttl=HOUR, clock=clock)
    second = hold_lease(database, "leads/train", holder="ann", ttl=HOUR, clock=clock)
    with first, second as lease:
        assert lease.token == 1


def test_a_block_that_raises_gives_the_lease_back(database: Database) -> None:
    clock = SetClock()
    failing = hold_lease(database, "nba/train", holder="ann", ttl=HOUR, clock=clock)
    with pytest.raises(RuntimeError, match="no luck"), failing:
        raise RuntimeError("no luck")
    with hold_lease(database, "nba/train", holder="bob", ttl=HOUR, clock=clock) as lease:
        assert lease.holder == "bob"


def test_a_holder_that_stood_still_can_not_write(any_database: Database) -> None:
    clock = SetClock()
    with hold_lease(any_database, "nba/train", holder="ann", ttl=HOUR, clock=clock) as late:
        clock.time += 2 * HOUR
        with hold_lease(any_database, "nba/train", holder="bob", ttl=HOUR, clock=clock) as lease:
            with any_database.begin() as connection:
                lease.require(connection)
            with pytest.raises(LeaseLost, match="token 1"), any_database.begin() as connection:
                late.require(connection)


def test_a_lease_is_renewed_while_its_block_runs(database: Database) -> None:
    clock = SetClock()
    with hold_lease(database, "nba/train", holder="ann", ttl=timedelta(seconds=0.03), clock=clock):
        clock.time += HOUR
        until = _expiry(database)
        while until < clock.time:
            threading.Event().wait(0.005)
            until = _expiry(database)
        assert until == clock.time + timedelta(seconds=0.03)


def _expiry(database: Database) -> datetime:
    with database.connect() as connection:
        return connection.execute(select(tables.leases.c.expires_at)).scalar_one()


def test_a_lost_lease_is_not_renewed(database: Database) -> None:
    clock = SetClock()
    with hold_lease(database, "nba/train", holder="ann", ttl=timedelta(seconds=0.03), clock=clock):
        renewal = next(thread for thread in threading.enumerate() if thread.name.endswith("(_keep)"))
        with database.begin() as connection:
            connection.execute(tables.leases.update().values(token=7))
        renewal.join(30)
        until = _expiry(database)
    assert not renewal.is_alive()
    assert _expiry(database) == until


def test_a_dead_holder_on_another_machine_loses_its_lease_although_the_clock_went_back(any_database: Database) -> None:
    clock, instants = SetClock(), [0.0]
    any_database.lease_sightings = Sightings(lambda: instants[0])
    expires_at = clock.wall() + HOUR
    row = {"name": "nba/train", "holder": "far", "process": "far/pid:1 7 9", "token": 3, "expires_at": expires_at}
    with any_database.begin() as connection:
        connection.execute(tables.leases.insert().values(row))
    clock.time -= 24 * HOUR
    mine = hold_lease(any_database, "nba/train", holder="me", ttl=HOUR, clock=clock)
    with pytest.raises(LeaseHeld, match="far"), mine:
        pass
    instants[0] += 3599
    assert lease_holder(any_database, "nba/train", ttl=HOUR, now=clock.wall()) == "far"
    instants[0] += 1
    assert lease_holder(any_database, "nba/train", ttl=HOUR, now=clock.wall()) is None
    with hold_lease(any_database, "nba/train", holder="me", ttl=HOUR, clock=clock) as lease:
        assert lease.token == 4


def test_a_renewed_lease_is_held_whatever_the_clocks(any_database: Database) -> None:
    clock, instants = SetClock(), [0.0]
    any_database.lease_sightings = Sightings(lambda: instants[0])
    with hold_lease(any_database, "nba/train", holder="ann", ttl=HOUR, clock=clock):
        for minutes in range(0, 300, 50):
            instants[0] = minutes * 60.0
            with any_database.begin() as connection:  # as a renewal does
                connection.execute(tables.leases.update().values(expires_at=clock.wall() + HOUR * (1 + minutes / 60)))
            assert lease_holder(any_database, "nba/train", ttl=HOUR, now=clock.wall()) == "ann"


@pytest.mark.services
def test_a_living_holder_keeps_its_lease_and_a_killed_one_loses_it_at_once(any_database: Database) -> None:
    child = start(HOLD, any_database.url)
    assert wait_for_line(child) == "held"
    mine = hold_lease(any_database, "nba/train", holder="me", ttl=HOUR, clock=SystemClock())
    with pytest.raises(LeaseHeld, match="the child"), mine:
        pass
    kill(child)
    with hold_lease(any_database, "nba/train", holder="me", ttl=HOUR, clock=SystemClock()) as lease:
        assert lease.token == 2


@pytest.mark.services
def test_processes_that_race_take_turns(any_database: Database) -> None:
    with any_database.begin() as connection:
        row = {"project": "nba", "source": "games", "day": "2009-04-15", "count": 0}
        connection.execute(tables.http_requests.insert(), row)
    for child in [start(TAKE_TURNS, any_database.url) for _ in range(3)]:
        finish(child)
    with any_database.connect() as connection:
        assert connection.execute(select(tables.http_requests.c.count)).scalar_one() == 15
