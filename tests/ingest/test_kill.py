"""kill -9 at any point of an ingest: the last good snapshot stays, and the same command carries on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ingest.builders import PROJECT, House, a_game, a_source, day, frame
from touchline.ingest import CsvFiles, read_log
from touchline.ingest.snapshots import list_snapshots

NOW = day(1, month=6)

# The child kills itself at the n-th moment that touches the disk or the database, whichever that is: every state
# between two writes is met, in any order the code may come to make them.
CHILD = """
import os, signal, sys
from pathlib import Path
moment, url, objects, file = int(sys.argv[1]), *sys.argv[2:]
left = [moment]
def stop_here(event, arguments):
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    touches = writes or event in ("os.rename", "os.link", "os.remove")
    if touches and armed:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
armed = []
from tests.ingest.builders import House, a_source, day
from touchline.ingest import CsvFiles
from touchline.storage import Database
import sqlalchemy
database = Database.open(url)
house = House(database, Path(objects))
def commit(connection):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
sqlalchemy.event.listen(database.engine, "commit", commit)
sys.addaudithook(stop_here)
armed.append(True)
print(house.ingest(a_source(provider=CsvFiles(file), max_rejected_share=0.3), now=day(1, month=6)).status)
"""


def run(moment: int, house: House, file: Path) -> subprocess.CompletedProcess[str]:
    arguments = [str(moment), house.database.url, str(house.folder), str(file)]
    return subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def text(*games: str) -> str:
    return "\n".join(["game_id,tipoff,venue,points", *games]) + "\n"


@pytest.mark.services
def test_a_kill_at_any_moment_leaves_the_last_good_state_and_the_next_run_carries_on(
    house: House, tmp_path: Path
) -> None:
    file = tmp_path / "games.csv"
    good = house.take([a_game("before", day(1))], now=day(2)).snapshot
    expected = frame([a_game("before", day(1)), *(a_game(name, day(1)) for name in "abc")]).sort("game_id")
    file.write_text(text(*(f"{name},2020-01-01T00:00:00Z,x,1" for name in "abc"), "bad,2020-01-01T00:00:00Z,x,-1"))
    killed = 0
    for moment in range(40):
        done = run(moment, house, file)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        state = house.snapshot()
        assert len(state.files()) == len(state.parts)  # each is checked by its digest
        if state != good:  # killed after the head was moved: the commit is the last write of an ingest
            assert state.parent_hash == good.hash
    assert killed >= 5
    report = house.ingest(a_source(provider=CsvFiles(file), max_rejected_share=0.3), now=NOW)
    current = report.snapshot.read().select("game_id", "tipoff", "venue", "points")
    assert current.equals(expected)
    assert len(list_snapshots(PROJECT, "games", house.database)) == 2
    assert {entry.status for entry in read_log(house.database, PROJECT)} <= {"new", "unchanged"}


@pytest.mark.services
@pytest.mark.parametrize("moment", [0, 3])
def test_the_lease_of_a_killed_ingest_does_not_block_the_next(house: House, tmp_path: Path, moment: int) -> None:
    file = tmp_path / "games.csv"
    file.write_text(text("a,2020-01-01T00:00:00Z,x,1"))
    assert run(moment, house, file).returncode == -signal.SIGKILL
    assert house.ingest(a_source(provider=CsvFiles(file)), now=NOW).status == "new"
