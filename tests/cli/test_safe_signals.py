"""A signal may come at any line: the database must stay writable whichever line it meets."""

import os
import signal
import threading
import time
from pathlib import Path
from traceback import walk_tb

import pytest
import sqlalchemy as sa

from touchline.cli.processes.safe_signals import raised_by
from touchline.cli.processes.scheduling import ended_in_order
from touchline.storage import Database


class Interrupted(BaseException):
    """What the signal raises."""


def test_a_signal_in_the_middle_of_a_transaction_leaves_no_lock_behind(tmp_path: Path) -> None:
    database, other = (Database.open(f"sqlite:///{tmp_path}/touchline.db", is_flushed=False) for _ in range(2))
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE counts (n INTEGER)"))
    begun, interrupted, is_over, armed = 0, 0, threading.Event(), [False]

    def interrupt() -> None:
        while not is_over.wait(0.0007):
            if armed[0]:
                os.kill(os.getpid(), signal.SIGUSR2)

    modules: set[str] = set()
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    storm = threading.Thread(target=interrupt, daemon=True)
    with raised_by(signal.SIGUSR2, lambda: Interrupted() if armed[0] else None):
        storm.start()
        while interrupted < 20 and begun < 20_000:
            begun += 1
            try:
                armed[0] = True
                with database.begin() as connection:
                    connection.execute(sa.text("INSERT INTO counts VALUES (1)"))
                    if begun % 2:
                        time.sleep(0)
                armed[0] = False
            except Interrupted as error:
                armed[0] = False
                modules |= {str(frame.f_globals["__name__"]) for frame, _ in walk_tb(error.__traceback__)}
                interrupted += 1
        is_over.set()
        storm.join()
    assert interrupted == 20
    assert modules == {__name__, "touchline.cli.processes.safe_signals"}  # never within the database's own code
    with other.begin() as connection:  # raises DatabaseBusy after 30 s where a transaction was left open
        connection.execute(sa.text("INSERT INTO counts VALUES (1)"))
    database.close()
    other.close()


@pytest.mark.parametrize("error", [None, Interrupted("now")])
def test_a_signal_outside_the_database_raises_at_once(error: BaseException | None) -> None:
    with raised_by(signal.SIGUSR2, lambda: error):
        if error is None:
            signal.raise_signal(signal.SIGUSR2)
            return
        with pytest.raises(Interrupted, match="now"):
            signal.raise_signal(signal.SIGUSR2)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_run_that_is_ended_leaves_no_transaction_half_way(
    tmp_path: Path, number: signal.Signals, error: type[BaseException], request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background begin with it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    database = Database.open(f"sqlite:///{tmp_path}/touchline.db", is_flushed=False)
    ended_within: list[str] = []

    def end_in_the_middle(*_: object) -> None:
        if not ended_within:
            ended_within.append("a transaction begins")
            signal.raise_signal(number)

    sa.event.listen(database.engine, "begin", end_in_the_middle)

    def write() -> None:
        with ended_in_order():
            with database.begin() as connection:
                connection.execute(sa.text("CREATE TABLE counts (n INTEGER)"))
            time.sleep(60)

    with pytest.raises(error) as raised:
        write()
    assert "sqlalchemy" not in {str(frame.f_globals["__name__"]).partition(".")[0] for frame, _ in walk_tb(raised.tb)}
    with database.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM counts")) == 0
    database.close()
