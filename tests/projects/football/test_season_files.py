"""Files in the layouts that football-data.co.uk has had."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from touchline.project import load_project

load_project("projects/football", base=Path(__file__).parents[3])
from touchline_projects.football.season_files import read_seasons  # noqa: E402

OLD = (
    "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,AS,HST,AST,BbAvH,BbAvD,BbAvA,,\r\n"
    "E0,13/08/05,Aston Villa,Bolton,2,2,D,3,13,2,6,2.2,3.16,3.05,,\r\n"
    "E0,07/05/06,Bolton,Aston Villa,,,,,,,,0,1,,,\r\n"
    ",,,,,,,,,,,,,,,\r\n"
)
NEW = (
    "\ufeffDiv,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H,B365D,B365A,AvgH,AvgD,AvgA\n"
    "SC0,02/08/2019,20:30,Hearts,Celtic,0,1,A,5,4,1.6,4.8,3.9,1.7\n"
    "SC0,01/02/2020,15:00,Hearts,Celtic,1,0,H,5,4,1.6,,,\n"
    "SC0,05/07/2020,15:00,Celtic,Hearts,3,0,H,,,,,,\n"
)


@pytest.fixture
def matches(tmp_path: Path) -> pl.DataFrame:
    (tmp_path / "E0_0506.csv").write_bytes(OLD.encode("latin-1"))
    (tmp_path / "SC0_1920.csv").write_text(NEW, encoding="utf-8")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    frame, files = read_seasons(tmp_path)
    assert [file.name for file in files] == ["E0_0506.csv", "SC0_1920.csv"]
    return frame


def test_dates_of_both_forms_and_times_are_read(matches: pl.DataFrame) -> None:
    kickoffs = [(2005, 8, 13, 0, 0), (2006, 5, 7, 0, 0), (2019, 8, 2, 20, 30)]
    assert matches["kickoff"].to_list()[:3] == [datetime(*one, tzinfo=UTC) for one in kickoffs]
    assert matches["date_text"].to_list()[:3] == ["13/08/05", "07/05/06", "02/08/2019"]


def test_a_match_without_a_time_of_day_is_known_only_the_next_day(matches: pl.DataFrame) -> None:
    known = [datetime(2005, 8, 14, tzinfo=UTC), datetime(2006, 5, 8, tzinfo=UTC), None, None, None]
    assert matches["known_at"].to_list() == known


def test_a_season_that_ends_in_summer_keeps_its_year_and_repeated_pairs_their_own_id(matches: pl.DataFrame) -> None:
    assert matches["season"].to_list() == [2005, 2005, 2019, 2019, 2019]
    assert matches["match_id"].to_list() == [
        "E0-2005-Aston Villa-Bolton",
        "E0-2005-Bolton-Aston Villa",
        "SC0-2019-Hearts-Celtic",
        "SC0-2019-Hearts-Celtic-2",
        "SC0-2019-Celtic-Hearts",
    ]


def test_the_market_s_mean_comes_first_and_figures_of_one_and_below_are_no_odds(matches: pl.DataFrame) -> None:
    assert matches["home_odds"].to_list() == [2.2, None, 4.8, 5.0, None]
    assert matches["draw_odds"].to_list() == [3.16, None, 3.9, 4.0, None]


def test_a_match_without_a_result_is_still_a_match(matches: pl.DataFrame) -> None:
    assert matches["home_goals"].to_list() == [2, None, 0, 1, 3]
    assert matches["home_on_target"].to_list() == [2, None, None, None, None]


def test_a_folder_without_such_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileNotFoundError, match="no CSV file with the columns Div, Date, HomeTeam and AwayTeam"):
        read_seasons(tmp_path)


HEADER = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,AvgH,AvgD,AvgA\n"


def a_season(folder: Path, lines: list[str]) -> tuple[pl.DataFrame, list[str]]:
    (folder / "E0_2324.csv").write_text(HEADER + "".join(f"E0,{line}\n" for line in lines), encoding="utf-8")
    notes: list[str] = []
    return read_seasons(folder, notes.append)[0], notes


def test_the_most_frequent_spelling_is_the_team_s_name(tmp_path: Path) -> None:
    rows = [f"{day}/09/2023,Arsenal,Team {day},1,0,2,3,4" for day in range(10, 15)]
    for places in ([0, 1, *range(2, 7)], [*range(2, 7), 1, 0]):
        lines = ["01/09/2023,ARSENAL,Team 1,1,0,2,3,4", "02/09/2023,arsenal,Team 2,1,0,2,3,4", *rows]
        matches, _ = a_season(tmp_path, [lines[place] for place in places])
        assert set(matches["home_team"]) == {"Arsenal"}


def test_a_misspelt_team_is_named_with_the_nearest(tmp_path: Path) -> None:
    teams = [f"{letter}-Town" for letter in "ABCDEFGHIJ"]
    lines = [f"{1 + place:02}/09/2023,{home},{away},1,0,2,3,4" for place, home in enumerate(teams) for away in teams]
    lines = [line for line in lines if len(set(line.split(",")[1:3])) == 2]
    _, notes = a_season(tmp_path, [lines[0].replace("A-Town", "A-Twn"), *lines[1:]])
    assert notes == [
        "E0 2023: 'A-Twn' has 1 matches, where the median team has 18; nearest: 'A-Town'. "
        "If its name is misspelt, add a line to team_names.csv"
    ]
    assert a_season(tmp_path, lines)[1] == []


def test_figures_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    matches, notes = a_season(tmp_path, ["01/09/2023,A,B,2:1,1,2,3,4", "02/09/2023,B,A,,,-,3,4"])
    assert matches["home_goals"].to_list() == [None, None]
    assert notes == [
        "E0_2324.csv: 1 values of FTHG are no numbers and count as missing (first: '2:1', 01/09/2023 A - B)",
        "E0_2324.csv: 1 values of AvgH are no numbers and count as missing (first: '-', 02/09/2023 B - A)",
    ]


def test_dates_that_a_spreadsheet_wrote_again_are_read(tmp_path: Path) -> None:
    matches, _ = a_season(tmp_path, ["2023-09-01,A,B,1,0,2,3,4"])
    assert matches["kickoff"].to_list() == [datetime(2023, 9, 1, tzinfo=UTC)]


def test_a_person_s_own_files_go_on_by_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Path(__file__).parents[3]
    assert load_project("projects/football", base=base).project.clock is not None
    monkeypatch.setenv("FOOTBALL_DATA", str(tmp_path))
    assert load_project("projects/football", base=base).project.clock is None
