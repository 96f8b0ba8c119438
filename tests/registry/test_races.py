"""Of ten who promote at once one wins; the others are told by whom. Real processes, on both databases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.registry.builders import a_registry, a_trained
from touchline.registry import Decision, Registry, promote, record_version
from touchline.storage import Database

PROMOTERS = 10
SCRIPT = """
import sys
from pathlib import Path
from touchline.clock import SystemClock
from touchline.errors import StageConflict
from touchline.registry import Journal, Move
from touchline.storage import Database

url, name = sys.argv[1:]
journal = Journal(Database.open(url), SystemClock())
state = journal.state("p")
print("ready", flush=True)
sys.stdin.readline()
moves = [Move(2, "Staging", "Production", reason=name), Move(1, "Production", "Archived", reason=name)]
try:
    journal.append("p", moves, expected=state.sequence, actor=name)
    print("won", flush=True)
except StageConflict as late:
    print(f"lost to {late.winner}", flush=True)
"""


def race(url: str) -> list[str]:
    """What each of ten processes says, all let go together after each has read the same journal."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, url, f"promoter-{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(PROMOTERS)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    return [racer.communicate(timeout=60)[0].strip() for racer in racers]


def assert_exactly_one_wins(url: str) -> None:
    from touchline.clock import SystemClock
    from touchline.registry import Journal, Move

    database = Database.open(url)
    database.migrate()
    journal = Journal(database, SystemClock())
    journal.append("p", [Move(1, "None", "Staging"), Move(1, "Staging", "Production")], expected=0, actor="ann")
    journal.append("p", [Move(2, "None", "Staging")], expected=2, actor="ann")
    said = race(url)
    winner = journal.history("p")[-1].actor
    assert said.count("won") == 1
    assert said[int(winner.removeprefix("promoter-"))] == "won"
    assert said.count(f"lost to {winner}") == PROMOTERS - 1
    assert (journal.head("p"), journal.stages("p")) == (5, {1: "Archived", 2: "Production"})
    database.close()


def test_exactly_one_of_ten_wins_on_sqlite(database: Database) -> None:
    assert_exactly_one_wins(database.url)


@pytest.mark.services
def test_exactly_one_of_ten_wins_on_postgresql(postgres_url: str) -> None:
    assert_exactly_one_wins(postgres_url)


@pytest.mark.services
def test_the_whole_registry_works_on_postgresql(registry: Registry, postgres_url: str, tmp_path: Path) -> None:
    database = Database.open(postgres_url)
    database.migrate()
    on_postgres = a_registry(database, tmp_path, tracking_uri=registry.tracking.uri)
    record_version(on_postgres, a_trained())
    assert promote(on_postgres, "p", 1, Decision("ann")).version.stage == "Production"
    database.close()
