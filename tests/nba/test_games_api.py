"""The API of games against a local server that answers as such APIs do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.builders import House
from tests.ingest.test_http_table import NOW, Origin, Reply, Standing, origin
from tests.nba.builders import module, nba
from touchline.errors import SourceFileMissing, SourceUnavailable
from touchline.ingest import FetchContext, Fetched
from touchline.storage import Database

__all__ = ["origin"]


def a_game(number: int, status: str = "Final", home: str = "CLE", **values: Any) -> dict[str, Any]:
    """A game as the API writes it."""
    return {
        "id": number,
        "date": f"2020-01-{number:02}",
        "datetime": f"2020-01-{number:02}T23:30:00.000Z",
        "season": 2019,
        "status": status,
        "postseason": False,
        "home_team_score": 115 if status == "Final" else 0,
        "visitor_team_score": 105 if status == "Final" else 0,
        "home_team": {"id": 6, "abbreviation": home, "full_name": home},
        "visitor_team": {"id": 12, "abbreviation": "IND", "full_name": "Indiana Pacers"},
        **values,
    }


def a_page(*games: dict[str, Any], cursor: int | None = None) -> Reply:
    return Reply({"data": list(games), "meta": {"per_page": 100, "next_cursor": cursor}})


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "objects")


@pytest.fixture
def fetch(origin: Origin, house: House, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("BALLDONTLIE_API_KEY", "hush")
    pauses: list[float] = []
    contract = nba().project.sources[0].contract

    def run() -> tuple[Fetched, list[float]]:
        context = FetchContext(
            project="nba",
            source="games",
            columns=tuple(contract.model_fields),
            required=frozenset({"game_id"}),
            database=house.database,
            objects=house.stores.objects,
            clock=Standing(NOW),
            sleep=pauses.append,
        )
        return module("games_api").games_api(origin.url, requests_per_second=1000).fetch(context), pauses

    return run


def test_pages_become_games_and_a_busy_server_is_waited_for(origin: Origin, fetch: Any) -> None:
    origin.replies = [
        Reply(status=429, headers={"retry-after": "7"}),
        a_page(a_game(1), a_game(2, status="7:30 pm ET"), cursor=25),
        Reply(status=500),
        a_page(a_game(3, status="Postponed"), a_game(4, home="LVG")),
    ]
    fetched, pauses = fetch()
    assert pauses[0] == 7
    assert [path for path, _ in origin.asked][-1] == "/?per_page=100&cursor=25"
    assert {headers["authorization"] for _, headers in origin.asked} == {"hush"}
    games = fetched.frame
    assert games["status"].to_list() == ["played", "scheduled", "postponed", "played"]
    assert games["home_points"].to_list() == [115, None, None, 115]
    assert games["home_team"].to_list() == ["CLE", "CLE", "CLE", "LVG"]
    assert games["season"].unique().to_list() == [2020]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=401), r"answered 401\. Check the key and its rights"),
        (Reply(status=403), r"answered 403\. Check the key and its rights"),
        (Reply('{"data": [{"id": 1'), "that is not JSON"),
        (Reply({"games": []}), "its answer has no list of records at 'data'"),
    ],
)
def test_an_answer_that_is_of_no_use_is_named_without_the_key(
    origin: Origin, fetch: Any, reply: Reply, reason: str
) -> None:
    origin.replies = [reply]
    with pytest.raises(SourceUnavailable, match=reason) as refused:
        fetch()
    assert "hush" not in str(refused.value)


def test_a_changed_schema_names_the_column(origin: Origin, fetch: Any) -> None:
    origin.replies = [a_page({**a_game(1), "home_team": "CLE"})]
    with pytest.raises(ValueError, match=r"its games have no home_team\.abbreviation"):
        fetch()


def test_without_folder_and_key_the_message_names_both(
    fetch: Any, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BALLDONTLIE_API_KEY")
    monkeypatch.delenv("NBA_DATA", raising=False)
    with pytest.raises(SourceUnavailable, match=r"neither NBA_DATA \(.*\) nor BALLDONTLIE_API_KEY \(.*\) is set"):
        house.ingest(nba().project.sources[0], now=NOW)
    with pytest.raises(SourceUnavailable, match="BALLDONTLIE_API_KEY is not set"):
        fetch()


def test_a_folder_without_results_is_named_in_a_sentence(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NBA_DATA", str(tmp_path))
    sentence = rf"^nba\.games: {tmp_path} has no file nba_games_odds_.* with results \(looked from .*\)\. Put"
    with pytest.raises(SourceFileMissing, match=sentence):
        house.ingest(nba().project.sources[0], now=NOW)
