"""Matches from files in the layout of football-data.co.uk: one CSV file for each division and season.

The layout has changed over the years: dates are dd/mm/yy or dd/mm/yyyy, a kick-off time exists since 2019/20, the
market's mean odds are `BbAvH` up to 2018/19 and `AvgH` since, old files have nameless trailing columns and lines of
commas.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import polars as pl

from touchline.ingest import RawFile

# The mean of the market before kick-off; where it is missing, one bookmaker.
_OPENING = (("AvgH", "AvgD", "AvgA"), ("BbAvH", "BbAvD", "BbAvA"), ("PSH", "PSD", "PSA"), ("B365H", "B365D", "B365A"))
_COUNTS = {
    "home_goals": "FTHG",
    "away_goals": "FTAG",
    "home_shots": "HS",
    "away_shots": "AS",
    "home_on_target": "HST",
    "away_on_target": "AST",
}
SCHEMA = {
    "match_id": pl.String,
    "division": pl.String,
    "kickoff": pl.Datetime("us", "UTC"),
    "date_text": pl.String,
    "season": pl.Int64,
    "home_team": pl.String,
    "away_team": pl.String,
    **dict.fromkeys(_COUNTS, pl.Int64),
    "home_odds": pl.Float64,
    "draw_odds": pl.Float64,
    "away_odds": pl.Float64,
}


def read_seasons(folder: Path) -> tuple[pl.DataFrame, tuple[RawFile, ...]]:
    """One row a match of every CSV file of a folder, and the files. Raises `FileNotFoundError` where there is none."""
    paths = sorted(path for path in folder.glob("*.csv") if path.is_file())
    tables, files = [], []
    for path in paths:
        content = path.read_bytes()
        rows = list(_rows(content))
        if rows and {"Div", "Date", "HomeTeam", "AwayTeam"} <= rows[0].keys():
            tables.append(_matches(rows))
            files.append(RawFile.of(path.name, content))
    if not tables:
        raise FileNotFoundError(f"{folder} has no CSV file with the columns Div, Date, HomeTeam and AwayTeam")
    # Where teams meet at one ground twice in a season, the second match has the number 2.
    times = pl.int_range(pl.len()).over("match_id", order_by="kickoff") + 1
    numbered = pl.when(times > 1).then(pl.format("{}-{}", "match_id", times)).otherwise("match_id")
    return pl.concat(tables).with_columns(match_id=numbered), tuple(files)


def _rows(content: bytes) -> Iterator[dict[str, str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:  # files of the first seasons
        text = content.decode("latin-1")
    for row in csv.DictReader(StringIO(text)):
        if row.get("HomeTeam") and row.get("Date"):  # else a line of commas
            yield {name: value for name, value in row.items() if name and isinstance(value, str)}


def _matches(rows: list[dict[str, str]]) -> pl.DataFrame:
    names = rows[0].keys()
    table = pl.DataFrame({name: [row.get(name, "").strip() or None for row in rows] for name in names})
    day = pl.coalesce(
        pl.col("Date").str.to_date("%d/%m/%Y", strict=False).pipe(_from_year_1000),
        pl.col("Date").str.to_date("%d/%m/%y", strict=False),
    )
    clock = pl.col("Time") if "Time" in names else pl.lit(None, dtype=pl.String)
    odds = [[_odds(table, name) for name in three] for three in _OPENING]
    # The file's first day says the season, also where a season ended in August, as in 2020.
    first_year = pl.col("day").min().dt.year() - (pl.col("day").min().dt.month() < 6).cast(pl.Int32)
    return (
        table.with_columns(day=day)
        .with_columns(season=first_year.cast(pl.Int64))
        .select(
            match_id=pl.format("{}-{}-{}-{}", "Div", "season", "HomeTeam", "AwayTeam"),
            division="Div",
            # Without a time the whole day is unknown: noon, as football-data.co.uk gives no zone either.
            kickoff=pl.col("day")
            .cast(pl.Datetime("us"))
            .dt.offset_by(pl.format("{}m", _minutes(clock)))
            .dt.replace_time_zone("UTC"),
            date_text="Date",
            season="season",
            home_team="HomeTeam",
            away_team="AwayTeam",
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
    parts = clock.str.split(":")
    minutes = parts.list.get(0, null_on_oob=True).cast(pl.Int64, strict=False) * 60 + parts.list.get(
        1, null_on_oob=True
    ).cast(pl.Int64, strict=False)
    return minutes.fill_null(12 * 60)


def _odds(table: pl.DataFrame, name: str) -> pl.Expr:
    """Decimal odds; a figure of 1 or below is none."""
    number = _number(table, name)
    return pl.when(number > 1).then(number)


def _number(table: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False) if name in table.columns else pl.lit(None, dtype=pl.Float64)
