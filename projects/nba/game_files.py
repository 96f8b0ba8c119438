"""Games from a folder of public files: results with closing odds, mean odds of many bookmakers, and FiveThirtyEight's.

`nba_games_odds_*` says which games were played; one row a game. `nba_oddsportal_*` adds the mean moneylines and neutral
grounds. `nba_elo_538*` and `nba_538_forecasts_*` add neutral grounds, the seasons before the first of the others, and a
second opinion on the scores. Teams are matched by `team_names.csv`. Each file may be gzipped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from touchline.errors import SourceUnavailable
from touchline.ingest import DataFolder, FetchContext, Fetched, RawFile

from .games_api import KEY_VARIABLE
from .teams import matched, team_names, unmatched

FIRST_SEASON = 1997
# The season of 2020 ended in Orlando without spectators.
_BUBBLE = (date(2020, 7, 30), date(2020, 10, 12))
# Games are known by day. Noon in New York lies before the first of them, and after the last of the day before.
_NOON = "17h"
_NOT_THE_LEAGUE = ["Pre-season", "All Stars"]
_GAME = ["date", "home_team", "away_team"]
Note = Callable[[str], None]


@dataclass(frozen=True)
class GameFolder(DataFolder):
    """A folder of these files; the report of the ingest has the names that did not match and the scores that differ."""

    def fetch(self, context: FetchContext) -> Fetched:
        if self.folder is None and not any(os.environ.get(name) for name in (self.variable, KEY_VARIABLE)):
            raise SourceUnavailable(
                context.table,
                f"neither {self.variable} (a folder of files) nor {KEY_VARIABLE} (a key of balldontlie.io) is set",
                "Set one of them; docs/nba.md names the files.",
            )
        notes: list[str] = []
        plain = DataFolder(lambda folder: read_games(folder, notes.append), self.variable, self.otherwise, self.folder)
        fetched = plain.fetch(context)
        return replace(fetched, message="; ".join(filter(None, [fetched.message, *notes])))


def read_games(folder: Path, note: Note = lambda _: None) -> tuple[pl.DataFrame, tuple[RawFile, ...]]:
    """One row a game in the columns of `NbaGame`, and the files. Raises `FileNotFoundError` without results."""
    results, files = _tables(folder, "nba_games_odds_*.csv*")
    if not results:
        raise FileNotFoundError(f"{folder} has no file nba_games_odds_*.csv or .csv.gz with results")
    games = _results(pl.concat(results, how="diagonal"), note)
    older, more = _tables(folder, "nba_elo_538*.csv*")
    forecasts, last = _tables(folder, "nba_538_forecasts_*.csv*")
    if older or forecasts:
        others = _of_538(pl.concat([*older, *forecasts], how="diagonal"), note)
        games = _with_second_source(games, others, note)
    odds, mean = _tables(folder, "nba_oddsportal_*.csv*")
    games = _with_mean_odds(games, _mean_odds(pl.concat(odds, how="diagonal"), note) if odds else None)
    return _finished(games), (*files, *more, *last, *mean)


def _tables(folder: Path, pattern: str) -> tuple[list[pl.DataFrame], tuple[RawFile, ...]]:
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    tables = [pl.read_csv(path, infer_schema=False, null_values=["", "NA"]) for path in paths]
    return tables, tuple(RawFile.at(path) for path in paths)


def _teams(table: pl.DataFrame, home: str, away: str, source: str, note: Note) -> pl.DataFrame:
    """The rows with both teams by their codes; a spelling that no team has stays as it is, and is noted."""
    names = team_names()
    unknown = unmatched(table, (home, away), names)
    if unknown:
        shown = ", ".join(f"{spelling!r} ({rows} rows)" for spelling, rows in unknown.items())
        note(f"{source}: no team is spelled {shown}: add a line to team_names.csv")
    return table.with_columns(
        home_text=home,
        away_text=away,
        home_team=pl.coalesce(matched(home, names), home),
        away_team=pl.coalesce(matched(away, names), away),
    )


def _results(table: pl.DataFrame, note: Note) -> pl.DataFrame:
    table = _teams(table, "home", "away", "results", note).with_columns(date_text="date", date=_day("date"))
    regular, playoffs = (pl.col(name).str.to_lowercase() == "true" for name in ("regular", "playoffs"))
    is_home_favoured = pl.col("whos_favored") == "home"
    spread = pl.col("spread").cast(pl.Float64, strict=False).abs()
    table = table.select(
        *_GAME,
        "home_text",
        "away_text",
        "date_text",
        season=_count("season"),
        kind=pl.when(playoffs)
        .then(pl.lit("playoffs"))
        .when(regular)
        .then(pl.lit("regular"))
        .otherwise(pl.lit("play_in")),
        home_points=_count("score_home"),
        away_points=_count("score_away"),
        home_price=_price("moneyline_home"),
        away_price=_price("moneyline_away"),
        spread=pl.when(is_home_favoured).then(spread).otherwise(-spread),
        bad_moneylines=_is_no_price("moneyline_home") | _is_no_price("moneyline_away"),
    )
    bad = table["bad_moneylines"].sum()
    if bad:
        note(f"results: {bad} games have a moneyline that is no price and counts as missing")
    return table.drop("bad_moneylines")


def _of_538(table: pl.DataFrame, note: Note) -> pl.DataFrame:
    named = _teams(table, "team1", "team2", "538", note).with_columns(date_text="date", date=_day("date"))
    is_playoff = pl.col("playoff").fill_null("FALSE").str.to_uppercase().is_in(["FALSE", "P"]).not_()
    kind = pl.when(is_playoff).then(pl.lit("playoffs")).when(pl.col("playoff") == "p").then(pl.lit("play_in"))
    return named.select(
        *_GAME,
        "home_text",
        "away_text",
        "date_text",
        season=_count("season"),
        kind=kind.otherwise(pl.lit("regular")),
        home_points=_count("score1"),
        away_points=_count("score2"),
        neutral=pl.col("neutral") == "1",
    ).unique(_GAME, keep="first", maintain_order=True)


def _with_second_source(games: pl.DataFrame, others: pl.DataFrame, note: Note) -> pl.DataFrame:
    """The first source's games with neutral grounds, and the other's games of the seasons before its first."""
    second = others.select(*_GAME, "neutral", second_home="home_points", second_away="away_points")
    joined = games.join(second, on=_GAME, how="left", maintain_order="left")
    differ = joined.filter(
        (pl.col("home_points") != pl.col("second_home")) | (pl.col("away_points") != pl.col("second_away"))
    )
    if not differ.is_empty():
        row = differ.row(0, named=True)
        note(
            f"two sources disagree on the score of {differ.height} games (first: {row['date']} {row['away_team']} at "
            f"{row['home_team']}, {row['away_points']}:{row['home_points']} and {row['second_away']}:"
            f"{row['second_home']}); the results file counts, but where it has a draw"
        )
    is_draw = pl.col("home_points") == pl.col("away_points")
    joined = joined.with_columns(
        pl.when(is_draw & pl.col(other).is_not_null()).then(other).otherwise(ours).alias(ours)
        for ours, other in (("home_points", "second_home"), ("away_points", "second_away"))
    )
    before = others.filter((pl.col("season") < games["season"].min()) & (pl.col("season") >= FIRST_SEASON))
    return pl.concat([before, joined.drop("second_home", "second_away")], how="diagonal")


def _mean_odds(table: pl.DataFrame, note: Note) -> pl.DataFrame:
    league = table.filter(pl.col("season_type").is_in(_NOT_THE_LEAGUE).not_())
    league = _teams(league, "team_1", "team_2", "mean odds", note)
    return league.select(
        date=_day("date"),
        home_team="home_team",
        away_team="away_team",
        is_neutral=pl.col("neutral") == "1",
        mean_home_price=_price("moneyline_1"),
        mean_away_price=_price("moneyline_2"),
    ).unique(_GAME, keep="first", maintain_order=True)


def _with_mean_odds(games: pl.DataFrame, odds: pl.DataFrame | None) -> pl.DataFrame:
    if odds is None:
        nothing = pl.lit(None, dtype=pl.Float64)
        return games.with_columns(is_neutral=None, mean_home_price=nothing, mean_away_price=nothing)
    return games.join(odds, on=_GAME, how="left", maintain_order="left")


def _finished(games: pl.DataFrame) -> pl.DataFrame:
    neutral = pl.col("neutral") if "neutral" in games.columns else pl.lit(None, dtype=pl.Boolean)
    in_bubble = pl.col("date").is_between(*_BUBBLE)
    return games.select(
        game_id=pl.format("{}-{}-{}", "date", "away_team", "home_team"),
        tipoff=pl.col("date").cast(pl.Datetime("us")).dt.offset_by(_NOON).dt.replace_time_zone("UTC"),
        season="season",
        kind="kind",
        status=pl.when(pl.col("home_points").is_null()).then(pl.lit("scheduled")).otherwise(pl.lit("played")),
        neutral=pl.coalesce(neutral, "is_neutral", pl.lit(value=False)) | in_bubble,
        home_team="home_team",
        away_team="away_team",
        home_points="home_points",
        away_points="away_points",
        home_price=pl.coalesce("home_price", "mean_home_price"),
        away_price=pl.coalesce("away_price", "mean_away_price"),
        mean_home_price=pl.coalesce("mean_home_price", "home_price"),
        mean_away_price=pl.coalesce("mean_away_price", "away_price"),
        spread="spread",
        date_text="date_text",
        home_text="home_text",
        away_text="away_text",
    )


def _day(column: str) -> pl.Expr:
    """A day as 2023-06-12, 12 Jun 2023 or 6/12/2023."""
    forms = ("%Y-%m-%d", "%d %b %Y", "%m/%d/%Y")
    return pl.coalesce(pl.col(column).str.to_date(form, strict=False) for form in forms)


def _count(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)


def _price(column: str) -> pl.Expr:
    """The decimal price of American odds: -200 is 1.5, +150 is 2.5. Text and numbers within ±100 are no price.

    Where a price is null, so is the forecast of the market.
    """
    line = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(line >= 100).then(1 + line / 100).when(line <= -100).then(1 - 100 / line)


def _is_no_price(column: str) -> pl.Expr:
    return pl.col(column).is_not_null() & _price(column).is_null()
