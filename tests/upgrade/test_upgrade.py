"""A home of the first supported commit, opened by the present code. `make_home.py` says how it was made."""

from __future__ import annotations

import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tests.cli.conftest import Cli
from tests.serving.builders import on_loopback
from touchline.cli.opening import open_home
from touchline.cli.processes.apps import create_serving_app
from touchline.storage import tables
from touchline.storage.migrate import is_no_partition

pytestmark = pytest.mark.services

_HOME = Path(__file__).with_name("first_home.tar.xz")
_REQUESTS = 24


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Cli]:
    """The home of the first commit in a folder of its own, as a person has it after an installation."""
    with tarfile.open(_HOME) as packed:
        packed.extractall(tmp_path, filter="data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("TOUCHLINE_HOME", str(tmp_path / ".touchline"))
        yield Cli(tmp_path)


def _logged(place: Path) -> dict[str, str]:
    """What the first commit answered, by request, read without touchline."""
    with closing(sqlite3.connect(place / ".touchline" / "touchline.db")) as database:
        rows = database.execute("SELECT prediction_id, output FROM predictions WHERE role = 'answer'").fetchall()
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0004",)]
    return dict(rows)


def test_a_home_of_the_first_commit_is_migrated_answers_the_same_and_replays_its_predictions(first: Cli) -> None:
    before = _logged(first.place)
    assert len(before) == _REQUESTS
    first.run("migrate")
    home = open_home()
    assert home.database.revision() == tables.HEAD
    with home.database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_no_partition})
        # A difference: a published migration was edited. Put the change into a new one.
        assert compare_metadata(context, tables.metadata) == []
    replayed = first.json("replay")
    assert (replayed["replayed"], replayed["mismatches"]) == (_REQUESTS, [])
    app = create_serving_app(home, [first.place / "projects" / "shop"], host="127.0.0.1")
    with on_loopback(app) as url:
        answer = httpx.post(f"{url}/predict", json={"example_id": "new", "customer": "c6"}).raise_for_status().json()
        routes = httpx.get(f"{url}/openapi.json").raise_for_status().json()["paths"]
    assert answer["version"] == 2
    assert {"/predict", "/outcomes", "/explain", "/health", "/healthz", "/readyz", "/model-info", "/metrics"} <= set(
        routes
    )
    # The third request to each version was about this customer.
    assert any(str(answer["probabilities"]["yes"]) in output for output in before.values())
    assert len(_after(first.place)) == _REQUESTS + 1


def test_a_home_of_the_first_commit_is_sound_and_goes_back_to_its_earlier_version(first: Cli) -> None:
    marks = {one["what"]: one["mark"] for one in first.json("doctor")}
    assert (marks["database"], marks["MLflow"], marks["state of shop"]) == ("ok", "ok", "ok")
    first.run("models", "rollback", "--reason", "the newest version loses")
    stages = {one["version"]: one["stage"] for one in first.json("models", "list")}
    assert stages == {1: "Production", 2: "Archived"}


def _after(place: Path) -> list[str]:
    with closing(sqlite3.connect(place / ".touchline" / "touchline.db")) as database:
        return [one for (one,) in database.execute("SELECT prediction_id FROM predictions")]
