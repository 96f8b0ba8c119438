"""A backtest of seasons in two sources, with another future: nothing that is known before moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import polars as pl

from touchline.project import load_project
from touchline.rehearsal import Backtest, backtest

ROOT = Path(__file__).parents[3]
TEAMS = ["Arsenal", "Chelsea", "Everton", "Fulham", "Liverpool", "Southampton", "Tottenham", "Watford"]
CHANGE = date(2018, 11, 3)
REQUEST = Backtest(datetime(2018, 10, 1, tzinfo=UTC), datetime(2018, 12, 1, tzinfo=UTC), "monthly")
Fixture = tuple[date, str, str]


def _season(year: int) -> list[Fixture]:
    """Every pair at both grounds, four matches a day."""
    pairs = list(permutations(TEAMS, 2))
    return [(date(year, 8, 11) + timedelta(days=7 * (place // 4)), *pair) for place, pair in enumerate(pairs)]


def write_seasons(folder: Path, *, is_changed: Callable[[date], bool]) -> None:
    """Season files with goals, shots, corners and odds, and FiveThirtyEight's file, of which some days are changed."""
    folder.mkdir()
    plain, other = np.random.default_rng(1), np.random.default_rng(2)
    forecasts = ["league_id,date,team1,team2,prob1,probtie,prob2,score1,score2"]
    for year in range(2014, 2019):
        lines = ["Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,HS,AS,HST,AST,HC,AC,AvgH,AvgD,AvgA"]
        for day, home, away in _season(year):
            drawn = (plain.poisson([1.6, 1.2, 13, 11, 5, 4, 6, 5]), plain.uniform(2, 4, 3))
            changed = (other.poisson([0.5, 3.2, 8, 20, 2, 9, 3, 9]), other.uniform(2, 4, 3))
            counts, odds = changed if is_changed(day) else drawn
            chances = (1 / odds) / (1 / odds).sum()
            lines.append(f"E0,{day:%d/%m/%Y},{home},{away},{','.join(map(str, counts))},{','.join(map(str, odds))}")
            scores = f"{counts[0]},{counts[1]}"
            forecasts.append(f"2411,{day},{home},{away},{','.join(f'{each:.4f}' for each in chances)},{scores}")
        (folder / f"E0_{year}.csv").write_text("\n".join(lines) + "\n")
    (folder / "spi_matches.csv").write_text("\n".join(forecasts) + "\n")


def rows_of(folder: Path, alternative: str | None) -> pl.DataFrame:
    loaded = load_project("projects/football", base=ROOT)
    training = loaded.project.training
    first = training.model_copy(update={"candidates": training.candidates[:1], "test": "200d"})
    project = loaded.project.model_copy(update={"training": first})
    return backtest(replace(loaded, project=project), replace(REQUEST, data=folder, alternative=alternative)).rows


def test_another_future_changes_no_earlier_row(tmp_path: Path) -> None:
    write_seasons(tmp_path / "plain", is_changed=lambda _: False)
    write_seasons(tmp_path / "changed", is_changed=lambda day: day >= CHANGE)
    change = datetime(CHANGE.year, CHANGE.month, CHANGE.day, tzinfo=UTC)
    # A match of the day of the change knows no result of it, but FiveThirtyEight's forecast.
    for alternative, same, rows in (
        (None, pl.col("cutoff") <= change, 20),
        ("with_538", pl.col("cutoff") < change, 16),
    ):
        before, after = (rows_of(tmp_path / name, alternative) for name in ("plain", "changed"))
        assert before.filter(same).height == rows < before.height == after.height
        assert before.filter(same).equals(after.filter(same))
        assert not before.filter(~same).equals(after.filter(~same))
