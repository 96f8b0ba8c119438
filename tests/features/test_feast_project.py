"""A project's Feast repository: Feast's own commands, as a person types them, over touchline's stores."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from tests.samples import a_small_sample
from tests.servers import spare_port
from touchline.features.feast.repository import FeastRepository, apply_to_feast
from touchline.ingest import ingest_source

pytestmark = [pytest.mark.services, pytest.mark.filterwarnings("ignore")]  # Feast warns of its own dependencies
Feast = Callable[..., str]


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast's commands change the working directory and leave it so; this brings it back."""
    monkeypatch.chdir(Path.cwd())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    opened = a_small_sample("football", tmp_path_factory.mktemp("football"))
    for source in opened.project.sources:
        ingest_source(source, project=opened.name, stores=opened.stores, clock=opened.clock)
    home = opened.home.folder
    repository = FeastRepository(home / "feast" / opened.name, opened.loaded.folder, home / "online.db")
    done = apply_to_feast(
        opened.project, repository, stores=opened.stores, clock=opened.clock, on_progress=lambda _: None
    )
    assert (done.views, done.entities, done.service) == (
        ("team_strength", "team_form", "team_goals"),
        ("team",),
        "football",
    )
    return done.folder


@pytest.fixture
def feast(folder: Path) -> Feast:
    from feast.cli.cli import cli

    def run(*words: str) -> str:
        found = CliRunner().invoke(cli, ["-c", str(folder), *words])
        assert found.exit_code == 0, found.output
        return str(found.output)

    return run


def test_feast_finds_what_is_declared(feast: Feast) -> None:
    assert "No changes to infrastructure" in feast("plan")
    feast("apply")
    assert "team_strength" in feast("feature-views", "list")
    assert "team" in feast("entities", "list")
    assert "team_strength:elo" in feast("feature-services", "list")


def test_what_feast_materializes_both_of_its_doors_give(feast: Feast, folder: Path) -> None:
    import pandas as pd
    from feast import FeatureStore

    feast("materialize", "2000-01-01T00:00:00", "2030-01-01T00:00:00")
    feast("materialize-incremental", "2030-01-01T00:00:00")
    store = FeatureStore(repo_path=str(folder))
    service = store.get_feature_service("football")
    teams = sorted(set(pd.read_parquet(folder / "team_strength.parquet")["team"]))
    asked = {"home_team": teams[0], "away_team": teams[1]}
    online = store.get_online_features(features=service, entity_rows=[asked], full_feature_names=True).to_dict()
    rows = pd.DataFrame([{**asked, "event_timestamp": datetime.now(UTC)}])
    history = store.get_historical_features(entity_df=rows, features=service, full_feature_names=True).to_df()
    names = [f"{side}_team_strength__elo" for side in ("home", "away")]
    # Online the TTL has run out, for the matches lie years back; both doors say so.
    assert [online[name][0] for name in names] == [None, None]
    assert history[names].isna().all().all()
    last = pd.read_parquet(folder / "team_strength.parquet").groupby("team")[["event_timestamp", "elo"]].last()
    then = rows.assign(event_timestamp=last["event_timestamp"].min())
    known = store.get_historical_features(entity_df=then, features=service, full_feature_names=True).to_df()
    assert known["home_team_strength__elo"].notna().all()


def test_feasts_ui_shows_the_project(folder: Path) -> None:
    port = spare_port()
    command = [sys.executable, "-W", "ignore", "-m", "feast.cli.cli", "-c", str(folder), "ui", "--port", str(port)]
    shown = subprocess.Popen(
        [*command, "--host", "127.0.0.1"], env={**os.environ, "PYTHONWARNINGS": "ignore"}, cwd=folder
    )
    try:
        deadline = time.monotonic() + 300
        while True:
            assert shown.poll() is None, "feast ui ended"
            assert time.monotonic() < deadline, "feast ui did not answer"
            try:
                page = httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        assert page.status_code == 200
        assert "Feast" in page.text
        projects = httpx.get(f"http://127.0.0.1:{port}/projects-list.json", timeout=120).json()
        assert projects["projects"][0]["id"] == "football"
    finally:
        shown.terminate()
        shown.wait(120)
