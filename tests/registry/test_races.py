"""Of ten who promote at once one wins; the others are told by whom. Real processes, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest

from tests.registry.builders import a_registry, a_trained
from tests.storage.children import race
from touchline.errors import StageConflict
from touchline.registry import (
    Decision,
    Gate,
    GateInputs,
    ModelVersion,
    Registry,
    promote,
    read_predictions,
    read_version,
    record_look,
    record_version,
)
from touchline.storage import Database
from touchline.training import Recipe, Training

pytestmark = pytest.mark.services

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


def assert_exactly_one_wins(url: str) -> None:
    from touchline.clock import SystemClock
    from touchline.registry import Journal, Move

    database = Database.open(url)
    database.migrate()
    journal = Journal(database, SystemClock())
    journal.append("p", [Move(1, "None", "Staging"), Move(1, "Staging", "Production")], expected=0, actor="ann")
    journal.append("p", [Move(2, "None", "Staging")], expected=2, actor="ann")
    said = race(SCRIPT, [(url, f"promoter-{n}") for n in range(PROMOTERS)])
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


def ten_promote_at_once(registry: Registry) -> None:
    """All have read the same journal when the first of them writes: each waits in its refit for the other nine."""
    record_version(registry, a_trained())
    # Another declaration: a change, which is compared with a refit.
    record_version(registry, a_trained(seed=2, training=Training(candidates=("logistic",))))
    promote(registry, "p", 1, Decision("ann"))
    together = Barrier(PROMOTERS, timeout=120)
    rows = read_predictions(registry, read_version(registry, "p", 2)).select("example_id", p_no=0.5, p_yes=0.5)

    def refit(_: ModelVersion, __: Recipe) -> pl.DataFrame:
        together.wait()
        return rows

    def attempt(number: int) -> str:
        context = GateInputs((Gate.improves("log_loss"),), refit=refit)
        try:
            promote(registry, "p", 2, Decision(f"promoter-{number}", reason="race", now=True), inputs=context)
        except StageConflict as late:
            return late.winner
        return "won"

    with ThreadPoolExecutor(PROMOTERS) as pool:
        said = list(pool.map(attempt, range(PROMOTERS)))
    winner = f"promoter-{said.index('won')}"
    assert sorted(said) == sorted(["won", *[winner] * (PROMOTERS - 1)])
    assert [(c.version, c.to_stage, c.actor) for c in registry.journal.history("p")[2:]] == [
        (2, "Staging", winner),
        (2, "Production", winner),
        (1, "Archived", winner),
    ]


def test_of_ten_promotions_through_the_gates_one_wins_on_sqlite(registry: Registry) -> None:
    ten_promote_at_once(registry)


@pytest.mark.services
def test_of_ten_promotions_through_the_gates_one_wins_on_postgresql(
    registry: Registry, postgres_url: str, tmp_path: Path
) -> None:
    database = Database.open(postgres_url)
    database.migrate()
    ten_promote_at_once(a_registry(database, tmp_path, tracking_uri=registry.tracking.uri))
    database.close()


@pytest.mark.services
def test_looks_at_once_are_all_counted(postgres_url: str, registry: Registry) -> None:
    version = record_version(registry, a_trained()).version
    frame = read_predictions(registry, version)
    database = Database.open(postgres_url)
    database.migrate()
    stores = replace(registry, database=database)  # type: ignore[type-var]
    stores = replace(registry, database=database)  # type: ignore[type-var]
    versions = [replace(version, version=number) for number in range(1, 9)]
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(lambda one: record_look(stores, one, frame), versions))
    assert sorted(look.number for look in looks) == list(range(1, 9))
    assert sorted(look.alpha_share for look in looks) == [0.5**number for number in range(8, 0, -1)]
    assert [record_look(stores, one, frame) for one in versions] == looks
    database.close()
