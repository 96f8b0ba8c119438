"""Ratings learn strengths, carry over, and know nothing that comes later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.nba.builders import SPELLINGS, Season, a_folder, module, nba

STRENGTHS = np.linspace(-9, 9, len(SPELLINGS))


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    season = Season(np.random.default_rng(3), STRENGTHS)
    folder: Path = tmp_path_factory.mktemp("games")
    a_folder(folder, [*season.results(2018, 60), *season.results(2019, 30)])
    table, _ = module("game_files").read_games(folder)
    return table.with_columns(event_timestamp=pl.col("tipoff") + timedelta(hours=14))


def rows(view: int, games: pl.DataFrame) -> pl.DataFrame:
    function = nba().project.feature_views[view].function
    return function(games.lazy()).collect().sort("team", "event_timestamp")


def test_strengths_come_near_those_that_made_the_margins(games: pl.DataFrame) -> None:
    last = rows(0, games).group_by("team", maintain_order=True).last()
    names = module("teams").team_names()
    true = pl.DataFrame({"team": [names[text] for text in SPELLINGS], "true": STRENGTHS})
    joined = last.join(true, on="team")
    assert np.corrcoef(joined["strength"], joined["true"])[0, 1] > 0.95
    assert joined["home_advantage"].mean() == pytest.approx(3, abs=1.5)


@pytest.mark.parametrize("view", [0, 1])
def test_games_that_come_later_change_no_earlier_row(games: pl.DataFrame, view: int) -> None:
    cut = games["tipoff"][games.height // 2]
    altered = games.with_columns(home_points=pl.when(pl.col("tipoff") >= cut).then(200).otherwise("home_points"))
    instant = cut + timedelta(hours=13)
    before, after = (rows(view, table).filter(pl.col("event_timestamp") <= instant) for table in (games, altered))
    assert before.height > 500
    assert before.equals(after)
    assert not rows(view, games).equals(rows(view, altered))


def test_the_season_s_figures_are_those_counted_by_hand(games: pl.DataFrame) -> None:
    own = games.filter((pl.col("season") == 2019) & ((pl.col("home_team") == "BOS") | (pl.col("away_team") == "BOS")))
    margins = [
        (home - away) * (1 if team == "BOS" else -1)
        for team, home, away in own.sort("tipoff").select("home_team", "home_points", "away_points").iter_rows()
    ]
    last = rows(1, games).filter(pl.col("team") == "BOS").row(-1, named=True)
    assert last["games"] == len(margins) == 30
    assert last["net_rating"] == pytest.approx(sum(margins) / 30)
    assert last["win_pct"] == pytest.approx(sum(margin > 0 for margin in margins) / 30)
    assert last["form_10"] == pytest.approx(sum(margins[-10:]) / 10)


def test_elo_follows_the_published_rule() -> None:
    ratings = module("ratings")
    elo = ratings.Elo(2)
    elo.update(ratings.Game(day=1, season=2019, home=0, away=1, margin=10))
    expected = 1 / (1 + 10 ** (-70 / 400))
    change = 20 * 13**0.8 / (7.5 + 0.006 * 70) * (1 - expected)
    assert elo.rating[0] == pytest.approx(1505 + change)
    elo.update(ratings.Game(day=200, season=2020, home=1, away=0, margin=1, is_neutral=True))
    assert elo.rating.mean() == pytest.approx(1505)


def columns(**values: float) -> dict[str, np.ndarray]:
    """The inputs of both transforms for one game; a team's last game was two days before in its own city."""
    cutoff = datetime(2019, 1, 10, 17, tzinfo=UTC).timestamp()
    sides = {"last_tipoff": cutoff - 2 * 86_400, "games": 40.0, "win_pct": 0.5, "strength": 4.0, "strength_fast": 4.0}
    sides |= {"strength_variance": 3.0, "elo": 1600.0, "lat": 34.04, "lon": -118.27, "zone": -8.0}
    sides |= {"last_lat": 34.04, "last_lon": -118.27, "last_zone": -8.0}
    common = {"neutral": 0.0, "playoffs": 0.0, "cutoff": cutoff, "home_home_advantage": 3.0}
    common |= {"home_playoff_advantage": 1.0, "home_tired_points": -1.5}
    both = {f"{side}_{name}": value for side in ("home", "away") for name, value in sides.items()}
    return {name: np.array([value]) for name, value in {**both, **common, **values}.items()}


def test_a_break_between_seasons_moves_ratings_towards_the_mean() -> None:
    matchup = module("transforms").matchup
    away = {"away_strength": 0.0}
    within = matchup(columns(**away))["strength_gap"][0]
    long_ago = columns()["cutoff"][0] - 150 * 86_400
    rested = matchup(columns(**away, home_last_tipoff=long_ago))["strength_gap"][0]
    assert (within, rested) == pytest.approx((4.0, 3.2))


def test_neutral_ground_takes_the_home_advantage_and_a_day_s_rest_costs() -> None:
    matchup, day = module("transforms").matchup, 86_400
    home, neutral = matchup(columns()), matchup(columns(neutral=1.0))
    assert neutral["expected_margin"][0] == 0 < home["expected_margin"][0]
    assert home["elo_gap"][0] == pytest.approx(70 / 400)
    tired = matchup(columns(home_last_tipoff=columns()["cutoff"][0] - day))
    assert tired["expected_margin"][0] == pytest.approx(home["expected_margin"][0] / 2)


def test_travel_is_the_great_circle_and_a_team_without_history_has_a_row() -> None:
    schedule = module("transforms").schedule
    flown = schedule(columns(away_last_lat=40.75, away_last_lon=-73.99, away_last_zone=-5.0))
    assert flown["away_kilometres"][0] == pytest.approx(3940, rel=0.01)  # New York to Los Angeles
    assert (flown["away_zones"][0], flown["home_kilometres"][0]) == (-3, 0)
    new = schedule(columns(away_last_tipoff=np.nan, away_last_lat=np.nan, away_last_lon=np.nan, away_win_pct=np.nan))
    assert (new["away_rest_days"][0], new["away_kilometres"][0], new["away_late_form"][0]) == (8, 0, 0)
