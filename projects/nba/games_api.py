"""Games from the API of balldontlie.io: JSON, a key in a header, pages by cursor, five requests a minute."""

from __future__ import annotations

import polars as pl

from touchline.ingest import Cursor, HttpTable

from .teams import matched, team_names

KEY_VARIABLE = "BALLDONTLIE_API_KEY"
_READ = (
    *("id", "date", "datetime", "season", "status", "postseason", "home_team_score", "visitor_team_score"),
    *("home_team.abbreviation", "visitor_team.abbreviation"),
)
_STATUS = {"Final": "played", "Postponed": "postponed", "Canceled": "cancelled", "Cancelled": "cancelled"}


def games_api(url: str = "https://api.balldontlie.io/v1/games", *, requests_per_second: float = 5 / 60) -> HttpTable:
    """The games of the API in the columns of the `NbaGame` contract. The key comes from the environment."""
    return HttpTable(
        url,
        format="json",
        records="data",
        pages=Cursor(param="cursor", path="meta.next_cursor"),
        params={"per_page": "100"},
        header_variables={"Authorization": KEY_VARIABLE},
        requests_per_second=requests_per_second,
        daily_requests=2000,
        prepare=as_games,
    )


def as_games(table: pl.DataFrame) -> pl.DataFrame:
    """The API's columns as those of a game. A spelling that no team has stays, and the contract refuses the row.

    A game without a final score has no points; the API gives 0 for both sides before it starts. Raises
    `ValueError` with the columns that are not there any more.
    """
    missing = [name for name in _READ if name not in table.columns]
    if missing:
        raise ValueError(f"the schema of the API has changed: its games have no {', '.join(missing)}")
    names = team_names()
    status = pl.col("status").replace_strict(_STATUS, default="scheduled")
    is_played = status == "played"
    home, away = (f"{side}_team.abbreviation" for side in ("home", "visitor"))
    return table.select(
        game_id=pl.format("balldontlie-{}", pl.col("id")),
        tipoff=pl.coalesce("datetime", pl.format("{}T17:00:00Z", pl.col("date").str.head(10))),
        # The API names a season by the year in which it begins.
        season=pl.col("season") + 1,
        kind=pl.when(pl.col("postseason")).then(pl.lit("playoffs")).otherwise(pl.lit("regular")),
        status=status,
        neutral=pl.lit(value=False),
        home_team=pl.coalesce(matched(home, names), home),
        away_team=pl.coalesce(matched(away, names), away),
        home_points=pl.when(is_played).then("home_team_score"),
        away_points=pl.when(is_played).then("visitor_team_score"),
        date_text=pl.col("date"),
        home_text=home,
        away_text=away,
    )
