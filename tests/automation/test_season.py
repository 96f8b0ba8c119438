"""A season of football passes with nobody touching it; a test only drives the clock.

What `/api/model/health` says is computed again by plain SQL and arithmetic.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from httpx import Client

from tests.serving.builders import on_loopback, wait_for
from touchline.automation import (
    PipelineContext,
    decide_due,
    next_run,
    resume_daily,
    resume_pipeline,
    run_pipeline,
)
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.cli.processes.apps import create_full_app
from touchline.ingest import read_snapshot
from touchline.predictions import OpenExample
from touchline.project import advance_clock, load_project
from touchline.settings import Settings
from touchline.training import TrainingOptions

# A year of weeks takes a minute of a core: with make test-scale.
pytestmark = [pytest.mark.services, pytest.mark.scale]
_ROOT = Path(__file__).parents[2]
CLOCK_SECONDS = 0.05
SEASON = (datetime(2008, 8, 5, 6, tzinfo=UTC), datetime(2009, 5, 28, 6, tzinfo=UTC))
CHANGES = {
    "FIRST_SEASON_TO_LEARN_FROM = 1995": "FIRST_SEASON_TO_LEARN_FROM = 2004",
    """candidates=[
        Candidate(name="forecasts", family="logistic", params={"strength": 0.01}, columns=8),
        "logistic",
        "lightgbm",
    ]""": 'candidates=["logistic"], validation=0.2, calibration=["none"], blend=False',
    'test="5y"': 'test="1y"',
    'accuracy", at_least=0.45': 'accuracy", at_least=0.3',
    'Gate.improves("log_loss", confidence=0.95)': 'Gate("log_loss", at_most=1.1)',
    'Retrain(schedule="0 4 * * 1", on_drift=True)': 'Retrain(schedule="0 4 2 */4 *")',
    "    rollout=Rollout(": '    daily=Daily(schedule="0 5 * * 2"),\n    rollout=Rollout(',
    "2009-04-15T00:00:00Z": f"{SEASON[0]:%Y-%m-%dT%H:%M:%SZ}",
    "    Contract,\n": "    Contract,\n    Daily,\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Football with fewer seasons, one candidate, a weekly day's work and three trainings a year."""
    folder = tmp_path / "projects" / "football"
    shutil.copytree(_ROOT / "projects" / "football", folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "project.py").read_text()
    for old, new in CHANGES.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "project.py").write_text(text)
    return folder


class Season:
    """The home of `touchline up`, with its server, its scheduler's decisions and its runs in this process."""

    def __init__(self, opened: OpenedProject, client: Client) -> None:
        self.opened, self.client = opened, client
        self.place = opened.home.folder / "touchline.db"

    def pass_until(self, end: datetime) -> Iterator[datetime]:
        """Each week until the end, after its work."""
        now = self.opened.clock.now()
        while now < end:
            now = advance_clock(self.opened.project, self.opened.stores.database, to=now + timedelta(days=7))
            # Every clock of this process and the server's reads the new instant within this time.
            sleep(2 * CLOCK_SECONDS)
            decide_due(self.opened.project, self.opened.stores)
            while (run := next_run("football", self.opened.stores)) is not None:
                if run.job == "daily":
                    resume_daily(self._context(), run.id, self._predict, actor="scheduler")
                else:
                    resume_pipeline(self._context(), run.id, actor="scheduler")
            yield now

    def query(self, words: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.place}?mode=ro", uri=True)) as connection:
            return connection.execute(words).fetchall()

    def answers(self) -> int:
        count: int = self.query("SELECT count(*) FROM predictions WHERE role = 'answer'")[0][0]
        return count

    def _context(self) -> PipelineContext:
        return replace(pipeline_context(self.opened), options=TrainingOptions(has_diagnostics=False))

    def _predict(self, examples: Sequence[OpenExample]) -> int:
        before = self.answers()
        answer = self.client.post(
            "/projects/football/predict", json=[{"example_id": one.example_id} for one in examples]
        )
        assert answer.is_success, answer.text
        answered = len(answer.json()["predictions"])
        wait_for(lambda: self.answers() == before + answered, seconds=60)
        return answered


def require_equal_to_the_log(season: Season, health: dict[str, Any]) -> None:
    """Every number that the log decides, computed again."""
    (predictions, newest), *_ = season.query("SELECT count(*), max(answered_at) FROM predictions WHERE role = 'answer'")
    (outcomes,), *_ = season.query("SELECT count(DISTINCT example_id) FROM outcomes")
    assert (health["log"]["predictions"], health["log"]["outcomes"]) == (predictions, outcomes)
    assert datetime.fromisoformat(health["log"]["last_answered_at"]) == datetime.fromisoformat(newest).replace(
        tzinfo=UTC
    )
    performance = health["performance"]
    rows = season.query(
        "SELECT p.output, (SELECT label FROM outcomes o WHERE o.example_id = p.example_id "
        "ORDER BY revision DESC LIMIT 1) "
        f"FROM predictions p WHERE role = 'answer' AND release_id = '{performance['release']}' ORDER BY p.cutoff"
    )
    assert performance["rows"] + performance["young"] == len(rows)
    mature = rows[: performance["rows"]]
    assert all(label is not None for _, label in mature)
    losses = [-math.log(json.loads(output)["probabilities"][json.loads(label)]) for output, label in mature]
    if performance["value"] is not None:
        assert performance["value"] == pytest.approx(sum(losses) / len(losses), abs=1e-9)


def test_a_season_passes_with_nobody_touching_it(tmp_path: Path, folder: Path) -> None:
    home = Home(Settings(home=tmp_path / "home"), tmp_path)
    opened = OpenedProject(home, load_project(folder, base=tmp_path))
    decide_due(opened.project, opened.stores)  # the schedule begins
    first = run_pipeline(
        replace(pipeline_context(opened), options=TrainingOptions(has_diagnostics=False)), trigger="up", actor="up"
    )
    assert first.refusal is None
    healths = []
    app = create_full_app(home, [folder], host="127.0.0.1")
    # The tests of other workers share the cores: that requests wait for them is no overload of this server.
    app.serving.limits = replace(app.serving.limits, lag_seconds=60.0)
    with on_loopback(app) as address, Client(base_url=address, timeout=60) as client:
        season = Season(opened, client)
        for _ in season.pass_until(SEASON[1]):
            health = client.get("/api/model/health").raise_for_status().json()
            healths.append(health)
            if health["performance"] is not None:
                require_equal_to_the_log(season, health)
    matches = read_snapshot("football", "matches", opened.stores).read()
    kickoffs = dict(zip(matches["match_id"], matches["kickoff"], strict=True))
    known = season.query("SELECT example_id, cutoff FROM predictions")
    assert all(datetime.fromisoformat(cutoff).replace(tzinfo=UTC) < kickoffs[match] for match, cutoff in known)
    answered = season.query("SELECT count(DISTINCT example_id) FROM predictions WHERE role = 'answer'")[0][0]
    unsettled = season.query(
        "SELECT count(*) FROM predictions p WHERE NOT EXISTS "
        "(SELECT 1 FROM outcomes o WHERE o.example_id = p.example_id)"
    )
    assert answered == 306
    assert unsettled == [(0,)]
    assert len({health["production"]["version"] for health in healths}) > 1
    assert any(health["performance"] and health["performance"]["value"] for health in healths)
    home.database.close()
