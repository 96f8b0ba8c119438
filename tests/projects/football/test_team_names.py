"""Teams of several sources get one name; whatever does not match is reported, and no match is lost."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from touchline.project import load_project

load_project("projects/football", base=Path(__file__).parents[3])
from touchline_projects.football.season_files import read_seasons  # noqa: E402
from touchline_projects.football.team_names import read_team_names  # noqa: E402

SEASON = (
    "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG\n"
    "D1,26/08/16,Bayern Munich,Werder Bremen,6,0\n"
    "D1,27/08/16,FC Koln,Darmstadt,2,0\n"
    "D1,30/08/16,Hamburg,Ingolstadt,1,1\n"
    "D1,01/10/16,Darmstadt,Werder Bremen,2,2\n"
)
FORECASTS = (
    "season,date,league_id,team1,team2,prob1,prob2,probtie,score1,score2\n"
    "2016,2016-08-26,1845,Bayern Munich,Werder Bremen,0.8,0.05,0.15,6,0\n"
    "2016,2016-08-27,1845,FC Cologne,SV Darmstadt 98,0.5,0.25,0.25,2,1\n"
    "2016,2016-08-31,1845,Hamburg SV,FC Ingolstad 04,0.4,0.3,0.3,1,1\n"
    "2016,2016-09-30,1845,FC Cologne,Hamburg SV,0.4,0.3,0.3,1,1\n"
    "2016,2016-08-26,1818,Bayern Munich,Nobody,0.8,0.05,0.15,6,0\n"
)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_each_line_of_the_table_leads_to_one_team() -> None:
    names = read_team_names()
    for country, text, team in (
        ("D", "1. FC Köln", "1. FC Koeln"),
        ("D", "FC KOLN", "1. FC Koeln"),
        ("E", "Manchester United", "Man United"),
        ("SP", "Deportivo La Coruña", "La Coruna"),
    ):
        assert names.team(country, text) == team
    assert names.team("E", "FC Koln") is None
    assert names.team_of_any_country("Borussia Mönchengladbach") == "Borussia Moenchengladbach"


def test_forecasts_of_another_source_stand_beside_the_matches_and_nothing_is_lost_in_silence(tmp_path: Path) -> None:
    notes: list[str] = []
    matches, files = read_seasons(write(tmp_path, D1_1617=SEASON, spi_matches=FORECASTS), notes.append)
    assert [file.name for file in files] == ["D1_1617.csv", "spi_matches.csv"]
    assert matches["home_team"].to_list() == ["Bayern Muenchen", "1. FC Koeln", "Hamburger SV", "Darmstadt 98"]
    assert matches["home_text"].to_list() == ["Bayern Munich", "FC Koln", "Hamburg", "Darmstadt"]
    assert matches["home_538"].to_list() == pytest.approx([0.8, 0.5, None, None])
    assert matches["home_goals"].to_list() == [6, 2, 1, 2]
    assert "D 'FC Ingolstad 04' (1 rows, nearest: 'Ingolstadt')" in notes[0]
    assert "1 of 3 forecasts have no match of their teams within 3 days" in notes[1]
    assert "first: 2016-08-27 1. FC Koeln - Darmstadt 98, 2:0 and 2:1); the season's file counts" in notes[2]
    assert len(notes) == 3


def test_a_person_adds_a_spelling_in_the_folder(tmp_path: Path) -> None:
    aliases = "country,team,spelling\nD,Ingolstadt,FC Ingolstad 04\n"
    notes: list[str] = []
    folder = write(tmp_path, D1_1617=SEASON, spi_matches=FORECASTS, team_names=aliases)
    matches, _ = read_seasons(folder, notes.append)
    # A day later in the other source: still the same match.
    assert matches["home_538"].to_list() == pytest.approx([0.8, 0.5, 0.4, None])
    assert not any("spelled" in note for note in notes)
    write(tmp_path, team_names="country,team,spelling\nD,Augsburg,Hamburg\n")
    with pytest.raises(ValueError, match="'Hamburg' means Hamburger SV and Augsburg"):
        read_seasons(folder)


def test_a_match_in_two_files_counts_once_and_other_scores_are_named(tmp_path: Path) -> None:
    notes: list[str] = []
    again = SEASON.replace("Werder Bremen,6,0", "Werder Bremen,5,0").replace("Bayern Munich", "Bayern München")
    matches, _ = read_seasons(write(tmp_path, a=SEASON, b=again), notes.append)
    assert matches.height == 4
    assert matches["home_goals"][0] == 6
    assert "other scores of 1 matches (first: 26/08/16 Bayern Munich - Werder Bremen, 6:0 and 5:0)" in notes[0]
    assert notes[1] == "4 matches stand in two files and count once"


def test_figures_that_are_no_probabilities_are_no_forecast(tmp_path: Path) -> None:
    odd = FORECASTS.replace("0.8,0.05,0.15,6", "0.8,0.5,0.15,6").replace("0.5,0.25,0.25", ",,")
    matches, _ = read_seasons(write(tmp_path, D1_1617=SEASON, spi_matches=odd))
    assert matches["home_538"].to_list() == [None] * 4
    assert matches.schema["home_538"] == pl.Float64
