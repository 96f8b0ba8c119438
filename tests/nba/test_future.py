"""A backtest of made-up seasons with another future: no earlier row moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.nba.builders import Season, a_folder, nba
from touchline.rehearsal import Backtest, backtest

CHANGE = date(2018, 11, 19)
REQUEST = Backtest(datetime(2018, 11, 10, tzinfo=UTC), datetime(2018, 11, 26, tzinfo=UTC), "weekly")


def _other(game: dict[str, Any]) -> dict[str, Any]:
    scores = {"score_home": 90, "score_away": 90 + len(game["home"] + game["away"])}
    return game | scores | {"moneyline_home": 200, "moneyline_away": -250, "whos_favored": "away"}


def rows_of(folder: Path) -> pl.DataFrame:
    loaded = nba()
    training = loaded.project.training
    first = training.model_copy(update={"candidates": training.candidates[:1], "test": "5d", "validation": "5d"})
    project = loaded.project.model_copy(update={"training": first})
    return backtest(replace(loaded, project=project), replace(REQUEST, data=folder)).rows


def test_another_future_changes_no_earlier_row(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    season = Season(random, random.normal(0, 5, 30))
    games = [*season.results(2018, 30), *season.results(2019, 40)]
    changed = [_other(game) if date.fromisoformat(game["date"]) >= CHANGE else game for game in games]
    plain, other = a_folder(tmp_path / "plain", games), a_folder(tmp_path / "changed", changed)
    own_day = pl.col("cutoff") <= datetime(CHANGE.year, CHANGE.month, CHANGE.day, 23, tzinfo=UTC)
    before, after = rows_of(plain), rows_of(other)
    assert before.height == after.height == 16 * 15
    assert before.filter(own_day).equals(after.filter(own_day))
    assert not before.filter(~own_day).equals(after.filter(~own_day))
