"""The public files become games: spellings, sources that disagree, prices, and what a contract refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.ingest.builders import House
from tests.nba.builders import SPELLINGS, a_folder, a_result, module, nba
from touchline.errors import BatchRejected
from touchline.ingest import FrameProvider
from touchline.storage import Database

NOW = datetime(2019, 7, 1, tzinfo=UTC)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "objects")


def read(folder: Path) -> tuple[pl.DataFrame, list[str]]:
    notes: list[str] = []
    games, _ = module("game_files").read_games(folder, notes.append)
    return games, notes


def test_each_of_the_30_spellings_of_a_file_is_another_team() -> None:
    names = module("teams").team_names()
    assert len({names[spelling] for spelling in SPELLINGS}) == 30
    assert {names[module("teams").folded(text)] for text in ("gs", "GSW", "Golden State Warriors")} == {"GSW"}
    assert (names["sea"], names["newjerseynets"]) == ("OKC", "BKN")


def test_a_line_more_in_the_table_of_names_is_enough_for_a_new_spelling(tmp_path: Path) -> None:
    teams = module("teams")
    table = tmp_path / "names.csv"
    table.write_text(teams.NAMES_FILE.read_text() + "GSW,Golden State (SF)\n")
    assert teams.team_names(table)["goldenstatesf"] == "GSW"
    table.write_text("team,spelling\nLVG,Las Vegas\n")
    with pytest.raises(ValueError, match=r"names.csv, line 2: 'LVG' is not one of ATL"):
        teams.team_names(table)
    table.write_text("team,spelling\nGSW,gs\nSAS,GS\n")
    with pytest.raises(ValueError, match="line 3: 'gs' is GSW and SAS"):
        teams.team_names(table)


def test_a_spelling_without_a_team_is_reported_and_its_game_refused(tmp_path: Path, house: House) -> None:
    folder = a_folder(
        tmp_path / "data", [*(a_result(date=f"2018-11-{day}") for day in range(10, 31)), a_result(home="lvg")]
    )
    games, notes = read(folder)
    assert notes == ["results: no team is spelled 'lvg' (1 rows): add a line to team_names.csv"]
    assert ingest(house, games) == games.height - 1


def test_american_odds_become_prices_and_a_dash_none(tmp_path: Path) -> None:
    lines = [
        a_result(),
        a_result(date="2018-10-17", moneyline_home="-", moneyline_away=50),
        a_result(date="2018-10-18", moneyline_home="", moneyline_away=""),
    ]
    games, notes = read(a_folder(tmp_path / "data", lines))
    assert games.select("home_price", "away_price").row(0) == pytest.approx((1 + 100 / 900, 7.6))
    assert games["away_price"].null_count() == games["home_price"].null_count() == 2
    assert notes == ["results: 1 games have a moneyline that is no price and counts as missing"]


def test_where_two_sources_disagree_the_results_count_and_the_report_says_so(tmp_path: Path) -> None:
    second = {"season": 2019, "date": "2018-10-16", "neutral": 1, "playoff": "", "team1": "GSW", "team2": "OKC"}
    folder = a_folder(tmp_path / "data", [a_result()], nba_elo_538=[{**second, "score1": 110, "score2": 100}])
    games, notes = read(folder)
    assert games.select("home_points", "neutral").row(0) == (108, True)
    assert notes[0].startswith("two sources disagree on the score of 1 games (first: 2018-10-16 OKC at GSW, 100:108")


def test_a_draw_in_one_source_takes_the_score_of_the_other(tmp_path: Path) -> None:
    second = {"season": 2019, "date": "2018-10-16", "neutral": 0, "playoff": "", "team1": "GSW", "team2": "OKC"}
    folder = a_folder(
        tmp_path / "data", [a_result(score_away=108)], nba_elo_538=[{**second, "score1": 109, "score2": 108}]
    )
    assert read(folder)[0].select("home_points", "away_points").row(0) == (109, 108)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"score_home": -1}, "home_points >= 0"),
        ({"home": "okc"}, "a_team_does_not_play_itself"),
        ({"score_away": 108}, "a_game_has_a_winner"),
        ({"home": "lvg"}, "home_team"),
    ],
)
def test_a_broken_game_is_refused_by_name(tmp_path: Path, house: House, change: dict[str, Any], rule: str) -> None:
    games, _ = read(a_folder(tmp_path / "data", [a_result(**change)]))
    with pytest.raises(BatchRejected, match=rule):
        ingest(house, games)


def test_a_price_below_1_is_refused(tmp_path: Path, house: House) -> None:
    games, _ = read(a_folder(tmp_path / "data", [a_result()]))
    with pytest.raises(BatchRejected, match="home_price > 1"):
        ingest(house, games.with_columns(home_price=0.9))


def test_a_team_with_two_games_on_a_day_is_refused(tmp_path: Path, house: House) -> None:
    games, _ = read(a_folder(tmp_path / "data", [a_result(), a_result(home="lal")]))
    with pytest.raises(BatchRejected, match="OKC plays 2 games on 2018-10-16"):
        ingest(house, games)


def test_a_game_given_twice_is_one_row(tmp_path: Path, house: House) -> None:
    games, _ = read(a_folder(tmp_path / "data", [a_result()]))
    assert ingest(house, pl.concat([games, games])) == 1


def test_a_full_season_with_29_teams_is_refused(tmp_path: Path, house: House) -> None:
    start = datetime(2018, 10, 16, tzinfo=UTC)
    names = SPELLINGS[:28]
    lines = [
        a_result(date=f"{start + timedelta(days=number):%Y-%m-%d}", home=names[2 * place], away=names[2 * place + 1])
        for number in range(50)
        for place in range(14)
    ]
    games, _ = read(a_folder(tmp_path / "data", lines))
    with pytest.raises(BatchRejected, match="season 2019 has 28 teams, not 30"):
        ingest(house, games)


def ingest(house: House, games: pl.DataFrame) -> int:
    """The number of games that are stored."""
    source = nba().project.sources[0].model_copy(update={"provider": FrameProvider(lambda: (games, ()))})
    snapshot = house.ingest(source, now=NOW).snapshot
    assert snapshot is not None
    return snapshot.rows


@pytest.mark.shared_data
def test_all_public_files_match_and_fit_the_contract(shared_data: Path, house: House) -> None:
    games, notes = read(shared_data / "nba")
    assert [note.split(" on the score")[0] for note in notes[1:]] == ["two sources disagree"]
    assert notes[0].endswith("have a moneyline that is no price and counts as missing")
    since = games.filter(pl.col("season") >= 2005)
    assert since.group_by("season").agg(pl.col("home_team").n_unique())["home_team"].unique().to_list() == [30]
    assert since.filter(pl.col("season") >= 2009)["mean_home_price"].null_count() < 5
    assert ingest(house, games.filter(pl.col("tipoff") < NOW)) == games.filter(pl.col("tipoff") < NOW).height
