"""Matches from files in the layout of football-data.co.uk: one CSV file for each division and season.

The layout has changed over the years: dates are dd/mm/yy or dd/mm/yyyy, a kick-off time exists since 2019/20, the
market's mean odds are `BbAvH` up to 2018/19 and `AvgH` since, old files have nameless trailing columns and lines of
commas. FiveThirtyEight's forecasts may lie beside them (`forecasts_538.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

import polars as pl

from touchline.ingest import DataFolder, FetchContext, Fetched, RawFile

from .forecasts_538 import Note, with_forecasts
from .team_names import FILE_NAME, TeamNames, country_of, read_team_names

# The mean of the market before kick-off; where it is missing, one bookmaker.
_OPENING = (("AvgH", "AvgD", "AvgA"), ("BbAvH", "BbAvD", "BbAvA"), ("PSH", "PSD", "PSA"), ("B365H", "B365D", "B365A"))
# Of a median team, from which on a team with less than a quarter of them is named.
_MANY_MATCHES = 8
_MOST_NOTES = 10
_COUNTS = {
    "home_goals": "FTHG",
    "away_goals": "FTAG",
    "home_shots": "HS",
    "away_shots": "AS",
    "home_on_target": "HST",
    "away_on_target": "AST",
    "home_corners": "HC",
    "away_corners": "AC",
}
SCHEMA = {
    "match_id": pl.String,
    "division": pl.String,
    "kickoff": pl.Datetime("us", "UTC"),
    "known_at": pl.Datetime("us", "UTC"),
    "date_text": pl.String,
    "season": pl.Int64,
    "home_team": pl.String,
    "away_team": pl.String,
    "home_text": pl.String,
    "away_text": pl.String,
    **dict.fromkeys(_COUNTS, pl.Int64),
    "home_odds": pl.Float64,
    "draw_odds": pl.Float64,
    "away_odds": pl.Float64,
}


@dataclass(frozen=True)
class SeasonFolder(DataFolder):
    """A folder of these files; the report of the ingest says which names did not match and where sources differ."""

    def fetch(self, context: FetchContext) -> Fetched:
        notes: list[str] = []
        plain = DataFolder(
            lambda folder: read_seasons(folder, notes.append), self.variable, self.otherwise, self.folder
        )
        fetched = plain.fetch(context)
        return replace(fetched, message="; ".join(filter(None, [fetched.message, *notes])))


def read_seasons(folder: Path, note: Note = lambda _: None) -> tuple[pl.DataFrame, tuple[RawFile, ...]]:
    """One row a match of every CSV file of a folder, and the files. Raises `FileNotFoundError` where there is none.

    Teams have the names of `team_names.csv`; a spelling that no line has is a team of its own.
    """
    tables, files = [], []
    for path in sorted(path for path in folder.glob("*.csv") if path.is_file()):
        content = path.read_bytes()
        rows = list(_rows(content))
        if rows and {"Div", "Date", "HomeTeam", "AwayTeam"} <= rows[0].keys():
            tables.append(_matches(_table(rows), lambda text, name=path.name: note(f"{name}: {text}")))
            files.append(RawFile.of(path.name, content))
    if not tables:
        raise FileNotFoundError(f"{folder} has no CSV file with the columns Div, Date, HomeTeam and AwayTeam")
    own = [path for path in [folder / FILE_NAME] if path.is_file()]
    files += [RawFile.at(path) for path in own]
    matches, names = _named(pl.concat(tables), read_team_names(*own))
    matches = _once(matches, note)
    _note_rare_teams(matches, note)
    matches, more = with_forecasts(_numbered(matches), folder, names, note)
    return matches, (*files, *more)


def _named(matches: pl.DataFrame, names: TeamNames) -> tuple[pl.DataFrame, TeamNames]:
    """The matches with the teams' names beside the spellings, and the names with those of these teams.

    Of spellings that differ by case, blanks or marks alone the most frequent one is the team's name.
    """
    spelled = pl.concat([matches.select("division", team=column) for column in ("home_team", "away_team")])
    counted = spelled.select(country=country_of(spelled["division"]), team="team").group_by("country", "team").len()
    in_order = counted.sort("len", "team", descending=[True, False])
    names = names.with_teams(in_order.select("country", "team").iter_rows())
    texts = matches.with_columns(home_text="home_team", away_text="away_team")
    return names.matched(texts, "home_team", "away_team"), names


def _once(matches: pl.DataFrame, note: Note) -> pl.DataFrame:
    """Each match once, where several files have it; the first file counts where they differ."""
    game = ["division", pl.col("kickoff").dt.date().alias("day"), "home_team", "away_team"]
    again = matches.filter(pl.struct(game).is_first_distinct().not_())
    if again.is_empty():
        return matches
    first = matches.filter(pl.struct(game).is_first_distinct())
    pairs = first.with_columns(game[1]).join(
        again.with_columns(game[1]), on=["division", "day", "home_team", "away_team"], suffix="_again"
    )
    differ = pairs.filter(
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_again")) for name in ("home_goals", "away_goals"))
    )
    if differ.height:
        row = differ.row(0, named=True)
        note(
            f"two files have other scores of {differ.height} matches (first: {row['date_text']} {row['home_text']} - "
            f"{row['away_text']}, {row['home_goals']}:{row['away_goals']} and {row['home_goals_again']}:"
            f"{row['away_goals_again']}); the first file by name counts"
        )
    note(f"{again.height} matches stand in two files and count once")
    return first


def _note_rare_teams(matches: pl.DataFrame, note: Note) -> None:
    """Name the teams that have few matches of a season in which others have many: a misspelt name makes one more."""
    season = ["division", "season"]
    sides = pl.concat([matches.select(*season, team=f"{side}_team") for side in ("home", "away")])
    counted = sides.group_by(*season, "team").len().with_columns(median=pl.col("len").median().over(season))
    rare = counted.filter((pl.col("median") >= _MANY_MATCHES) & (pl.col("len") * 4 < pl.col("median")))
    for division, year, team, count, median in rare.sort(*season, "team").head(_MOST_NOTES).iter_rows():
        others = counted.filter(
            (pl.col("division") == division) & (pl.col("season") == year) & (pl.col("team") != team)
        )
        near = get_close_matches(team, others["team"].to_list(), n=1)
        hint = f"; nearest: {near[0]!r}" if near else ""
        note(
            f"{division} {year}: {team!r} has {count} matches, where the median team has {median:g}{hint}. "
            f"If its name is misspelt, add a line to {FILE_NAME}"
        )


def _numbered(matches: pl.DataFrame) -> pl.DataFrame:
    """Where teams meet at one ground twice in a season, the second match has the number 2."""
    names = pl.format("{}-{}-{}-{}", "division", "season", "home_text", "away_text")
    times = pl.int_range(pl.len()).over("match_id", order_by="kickoff") + 1
    numbered = pl.when(times > 1).then(pl.format("{}-{}", "match_id", times)).otherwise("match_id")
    return matches.with_columns(match_id=names).with_columns(match_id=numbered)


def _rows(content: bytes) -> Iterator[dict[str, str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:  # files of the first seasons
        text = content.decode("latin-1")
    for row in csv.DictReader(StringIO(text)):
        if row.get("HomeTeam") and row.get("Date"):  # else a line of commas
            yield {name: value for name, value in row.items() if name and isinstance(value, str)}


def _table(rows: list[dict[str, str]]) -> pl.DataFrame:
    return pl.DataFrame({name: [row.get(name, "").strip() or None for row in rows] for name in rows[0]})


def _note_no_numbers(table: pl.DataFrame, note: Note) -> None:
    """Name the values of counts and odds that are no numbers, which count as missing."""
    for name in (*_COUNTS.values(), *(one for three in _OPENING for one in three)):
        if name not in table.columns:
            continue
        wrong = table.filter(pl.col(name).is_not_null() & _number(table, name).is_null())
        if wrong.height:
            first = wrong.row(0, named=True)
            note(
                f"{wrong.height} values of {name} are no numbers and count as missing (first: {first[name]!r}, "
                f"{first['Date']} {first['HomeTeam']} - {first['AwayTeam']})"
            )


def _matches(table: pl.DataFrame, note: Note) -> pl.DataFrame:
    _note_no_numbers(table, note)
    day = pl.coalesce(
        pl.col("Date").str.to_date("%d/%m/%Y", strict=False).pipe(_from_year_1000),
        pl.col("Date").str.to_date("%d/%m/%y", strict=False),
        # As a spreadsheet or a data frame writes them again.
        pl.col("Date").str.to_date("%Y-%m-%d", strict=False).pipe(_from_year_1000),
    )
    clock = pl.col("Time") if "Time" in table.columns else pl.lit(None, dtype=pl.String)
    odds = [[_odds(table, name) for name in three] for three in _OPENING]
    # The file's first day says the season, also where a season ended in August, as in 2020.
    first_year = pl.col("day").min().dt.year() - (pl.col("day").min().dt.month() < 6).cast(pl.Int32)
    return (
        table.with_columns(day=day)
        .with_columns(season=first_year.cast(pl.Int64))
        .select(
            match_id=pl.lit(None),  # once it is known how often the teams meet
            division="Div",
            kickoff=_instant(pl.format("{}m", _minutes(clock).fill_null(0))),
            # Without a time the match may be at any hour: predicted at the start of its day, known at the end.
            known_at=pl.when(_minutes(clock).is_null()).then(_instant(pl.lit("1d"))),
            date_text="Date",
            season="season",
            home_team="HomeTeam",
            away_team="AwayTeam",
            home_text="HomeTeam",
            away_text="AwayTeam",
            **{ours: _number(table, theirs).cast(pl.Int64, strict=False) for ours, theirs in _COUNTS.items()},
            home_odds=pl.coalesce(three[0] for three in odds),
            draw_odds=pl.coalesce(three[1] for three in odds),
            away_odds=pl.coalesce(three[2] for three in odds),
        )
        .cast(SCHEMA)  # type: ignore[arg-type]
    )


def _from_year_1000(day: pl.Expr) -> pl.Expr:
    """`%Y` also reads the two digits of 13/08/05, as the year 5."""
    return pl.when(day.dt.year() >= 1000).then(day)


def _minutes(clock: pl.Expr) -> pl.Expr:
    """Minutes since midnight; null where the file has no such time."""
    parts = clock.str.split(":")
    minutes = parts.list.get(0, null_on_oob=True).cast(pl.Int64, strict=False) * 60 + parts.list.get(
        1, null_on_oob=True
    ).cast(pl.Int64, strict=False)
    return pl.when(minutes.is_between(0, 24 * 60 - 1)).then(minutes)


def _instant(offset: pl.Expr) -> pl.Expr:
    """So long after the start of the day. football-data.co.uk gives no zone: UTC."""
    return pl.col("day").cast(pl.Datetime("us")).dt.offset_by(offset).dt.replace_time_zone("UTC")


def _odds(table: pl.DataFrame, name: str) -> pl.Expr:
    """Decimal odds; a figure of 1 or below is none."""
    number = _number(table, name)
    return pl.when(number > 1).then(number)


def _number(table: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False) if name in table.columns else pl.lit(None, dtype=pl.Float64)
