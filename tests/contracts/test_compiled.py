from __future__ import annotations

from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any, Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field, NaiveDatetime, ValidationError

import touchline
from touchline.contracts import Contract, DateFormat, compile_contract, dataset_check, row_check
from touchline.errors import ColumnsMismatch


class Side(Enum):
    HOME = "home"
    AWAY = "away"


class Game(Contract):
    game_id: str = Field(min_length=1)
    kick_off: datetime
    league: Literal["a", "b"] = "a"
    side: Side | None = None
    goals: int | None = Field(None, ge=0, le=30)
    odds: float | None = Field(None, gt=1)
    neutral: bool = False

    @row_check
    def goals_need_odds(cls) -> pl.Expr:
        return pl.col("goals").is_null() | pl.col("odds").is_not_null()

    @dataset_check
    def two_games(cls, games: pl.DataFrame) -> str | None:
        return None if games.height == 2 else f"{games.height} games, not 2"


def a_game(**changes: Any) -> pl.DataFrame:
    return pl.DataFrame([{"game_id": "1", "kick_off": "2020-07-01T15:00:00", **changes}])


def broken_rules(**changes: Any) -> list[tuple[str, str | None]]:
    return compile_contract(Game).check(a_game(**changes)).rejected.select("rule", "value").rows()


@pytest.mark.parametrize(
    ("changes", "rule", "value"),
    [
        ({"game_id": None}, "game_id is not null", None),
        ({"game_id": ""}, "game_id has at least 1 characters", ""),
        ({"goals": "-1", "odds": "2"}, "goals >= 0", "-1"),
        ({"goals": "1.5"}, "goals is a whole number", "1.5"),
        ({"odds": "1,5"}, "odds is a number", "1,5"),
        ({"odds": "inf"}, "odds is finite", "inf"),
        ({"league": "c"}, "league is one of 'a', 'b'", "c"),
        ({"neutral": "maybe"}, "neutral is true or false", "maybe"),
        ({"kick_off": "01/07/2020"}, "kick_off is an ISO date and time", "01/07/2020"),
        ({"kick_off": None}, "kick_off is not null", None),
        ({"goals": "2"}, "goals_need_odds", "2"),
        ({"side": "both"}, "side is one of 'home', 'away'", "both"),
    ],
)
def test_a_broken_rule_is_named_with_its_value(changes: dict[str, Any], rule: str, value: str | None) -> None:
    assert broken_rules(**changes) == [(rule, value)]


def test_a_row_that_breaks_two_rules_gives_two_lines() -> None:
    assert [rule for rule, _ in broken_rules(goals="-3", odds="1")] == ["goals >= 0", "odds > 1"]


def test_text_becomes_the_types_of_the_contract() -> None:
    checked = compile_contract(Game).check(a_game(goals="3.0", odds=" 2.5", neutral="Yes", league="b"))
    assert checked.accepted.row(0) == ("1", datetime(2020, 7, 1, 15, tzinfo=UTC), "b", None, 3, 2.5, True)


def test_a_naive_time_is_the_wall_clock_of_the_zone() -> None:
    checked = compile_contract(Game).check(a_game(), zone="Europe/London")
    assert checked.accepted["kick_off"][0] == datetime(2020, 7, 1, 14, tzinfo=UTC)


def test_an_hour_that_the_clocks_skip_is_rejected() -> None:
    checked = compile_contract(Game).check(a_game(kick_off="2020-03-29T01:30:00"), zone="Europe/London")
    assert checked.rejected["value"].to_list() == ["2020-03-29T01:30:00"]


@pytest.mark.parametrize("text", ["2020-07-01T15:00:00Z", "2020-07-01 17:00:00+02:00", "2020-07-01T15:00:00.000+0000"])
def test_an_offset_wins_over_the_zone(text: str) -> None:
    checked = compile_contract(Game).check(a_game(kick_off=text), zone="Asia/Tokyo")
    assert checked.accepted["kick_off"][0] == datetime(2020, 7, 1, 15, tzinfo=UTC)


def test_an_absent_optional_column_gets_its_default_and_positions_are_kept() -> None:
    batch = pl.concat([a_game(game_id=""), a_game()])
    checked = compile_contract(Game).check(batch)
    assert checked.accepted["league"].to_list() == ["a"]
    assert checked.positions.to_list() == [1]


def test_the_record_is_kept_as_it_came() -> None:
    checked = compile_contract(Game).check(a_game(goals="-1", odds="2"))
    assert checked.rejected["record"][0] == ('{"game_id":"1","kick_off":"2020-07-01T15:00:00","goals":"-1","odds":"2"}')


class Formats(Contract):
    one: Annotated[date, DateFormat("%d/%m/%Y")]
    two: Annotated[date, DateFormat("%d/%m/%y", "%d/%m/%Y")]
    aware: AwareDatetime
    naive: NaiveDatetime


def formats(**changes: str) -> list[str]:
    row = {"one": "13/08/2005", "two": "13/08/05", "aware": "2020-01-01T00:00Z", "naive": "2020-01-01 00:00", **changes}
    return compile_contract(Formats).check(pl.DataFrame([row])).rejected["rule"].to_list()


def test_a_date_in_another_format_than_declared_is_rejected() -> None:
    assert formats(two="13/08/2005") == []
    assert formats(one="13/08/05") == ["one fits '%d/%m/%Y'"]
    assert formats(two="2005-08-13") == ["two fits '%d/%m/%y' or '%d/%m/%Y'"]


def test_a_missing_or_an_unwanted_time_zone_is_rejected() -> None:
    assert formats(aware="2020-01-01T00:00:00") == ["aware is an ISO date and time with a time zone"]
    assert formats(naive="2020-01-01T00:00:00Z") == ["naive is an ISO date and time without a time zone"]


def test_a_missing_and_an_extra_column_are_named_together() -> None:
    with pytest.raises(ColumnsMismatch, match=r"lacks the column 'kick_off' and has the unknown column 'kickoff' "):
        compile_contract(Game).check(pl.DataFrame({"game_id": ["1"], "kickoff": ["2020-01-01"]}), table="nba.games")


def test_a_dataset_check_gives_its_message() -> None:
    compiled = compile_contract(Game)
    assert compiled.check_dataset(compiled.check(a_game()).accepted) == ["two_games: 1 games, not 2"]


def test_typed_columns_are_taken_as_they_are() -> None:
    frame = pl.DataFrame(
        {"game_id": [7], "kick_off": [datetime(2020, 1, 1)], "goals": [2.0], "odds": [float("nan")], "neutral": [1]}  # noqa: DTZ001  # a naive column is the point
    )
    checked = compile_contract(Game).check(frame.with_columns(odds=pl.lit(3)))
    assert checked.accepted.row(0)[:2] == ("7", datetime(2020, 1, 1, tzinfo=UTC))
    assert compile_contract(Game).check(frame).rejected["rule"].to_list() == ["goals_need_odds"]


def test_the_schema_hash_follows_a_constraint() -> None:
    class Wide(Contract):
        goals: int = Field(ge=0)

    class Narrow(Contract):
        goals: int = Field(ge=1)

    assert compile_contract(Wide).schema_hash != compile_contract(Narrow).schema_hash


class Numbers(Contract):
    whole: int | None = Field(None, ge=-5, lt=50, multiple_of=5)
    real: float = Field(gt=-1.5, le=100)
    text: str = Field(min_length=1, max_length=4, pattern="^[a-zé]+")
    level: Literal[1, 2, 3]
    at: AwareDatetime
    day: date = Field(ge=date(2000, 1, 1))


values = st.fixed_dictionaries(
    {
        "whole": st.none() | st.integers(-10, 60),
        "real": st.floats(-3, 200),
        "text": st.text(alphabet="abé1 ", max_size=6),
        "level": st.integers(0, 4),
        "at": st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants naive bounds
        "day": st.dates(min_value=date(1999, 12, 1), max_value=date(2001, 1, 1)),
    }
)


@given(rows=st.lists(values, min_size=1, max_size=20))
def test_the_columnar_check_accepts_what_pydantic_accepts(rows: list[dict[str, Any]]) -> None:
    schema = compile_contract(Numbers).columns
    accepted = compile_contract(Numbers).check(pl.DataFrame(rows, schema=schema)).positions.to_list()
    assert accepted == [index for index, row in enumerate(rows) if _is_valid(row)]


@given(rows=st.lists(values, min_size=1, max_size=20))
def test_text_is_checked_like_the_value_it_spells(rows: list[dict[str, Any]]) -> None:
    typed = pl.DataFrame(rows, schema=compile_contract(Numbers).columns)
    text = typed.with_columns(pl.exclude("at").cast(pl.String), pl.col("at").dt.to_string("iso"))
    left, right = compile_contract(Numbers).check(typed), compile_contract(Numbers).check(text)
    assert left.accepted.equals(right.accepted)
    assert left.rejected["rule"].to_list() == right.rejected["rule"].to_list()


def _is_valid(row: dict[str, Any]) -> bool:
    try:
        Numbers(**row)
    except ValidationError:
        return False
    return True


def test_a_declaration_imports_its_fields_from_touchline() -> None:
    class Seat(touchline.Contract):
        row: int = touchline.Field(ge=1)

    checked = compile_contract(Seat).check(pl.DataFrame({"row": [0, 1]}))
    assert checked.accepted["row"].to_list() == [1]
    assert checked.rejected["rule"].to_list() == ["row >= 1"]
