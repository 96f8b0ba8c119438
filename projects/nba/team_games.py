"""Played games as rows of one team each, in time order."""

from __future__ import annotations

import polars as pl

from .ratings import RATINGS, Game, ratings_after
from .teams import PLACES

TEAMS = tuple(PLACES)
IN_ORDER = "event_timestamp"


def played_games(games: pl.LazyFrame) -> pl.DataFrame:
    """The games that have a score, in time order."""
    has_points = pl.col("home_points").is_not_null() & pl.col("away_points").is_not_null()
    return games.filter(has_points).sort("event_timestamp", "game_id").collect()


def by_team(played: pl.DataFrame) -> pl.DataFrame:
    """Two rows a game, one for each side; `is_tired`: the side played the day before."""

    def side(own: str, other: str) -> pl.DataFrame:
        margin = pl.col(f"{own}_points") - pl.col(f"{other}_points")
        return played.select(
            "game_id",
            "event_timestamp",
            "tipoff",
            "season",
            team=f"{own}_team",
            place="home_team",
            is_home=pl.lit(own == "home").cast(pl.Float64),
            margin=margin.cast(pl.Float64),
            points=pl.col(f"{own}_points").cast(pl.Float64),
            won=(margin > 0).cast(pl.Float64),
        )

    days = pl.col("tipoff").dt.date().diff().dt.total_days().over("team", order_by=IN_ORDER)
    return pl.concat([side("home", "away"), side("away", "home")]).with_columns(
        is_tired=(days <= 1).fill_null(value=False)
    )


def mean_so_far(value: pl.Expr, counts: pl.Expr) -> pl.Expr:
    """The mean over a team's season up to each game, of the games that count; null before the first."""
    total, number = (part.cum_sum().over("team", "season", order_by=IN_ORDER) for part in (value * counts, counts))
    return pl.when(number > 0).then(total / number)


def place_of(column: str, part: int) -> pl.Expr:
    """Latitude (0), longitude (1) or hours from UTC (2) of the city of the team in a column."""
    values = {team: float(place[part]) for team, place in PLACES.items()}
    return pl.col(column).replace_strict(values, return_dtype=pl.Float64)


def ratings(played: pl.DataFrame) -> pl.DataFrame:
    """The ratings of both sides after each game, in rows of one team each."""
    tired = by_team(played).select("game_id", "is_home", "is_tired")
    for side, is_home in (("home", 1.0), ("away", 0.0)):
        of_side = tired.filter(pl.col("is_home") == is_home).select(
            "game_id", pl.col("is_tired").alias(f"is_{side}_tired")
        )
        played = played.join(of_side, on="game_id", how="left", maintain_order="left")
    number = {name: place for place, name in enumerate(TEAMS)}
    rows = played.select(
        pl.col("tipoff").dt.epoch("d"),
        "season",
        pl.col("home_team").replace_strict(number, return_dtype=pl.Int64),
        pl.col("away_team").replace_strict(number, return_dtype=pl.Int64),
        pl.col("home_points") - pl.col("away_points"),
        "neutral",
        pl.col("kind") == "playoffs",
        "is_home_tired",
        "is_away_tired",
    )
    after = list(ratings_after([Game(*row) for row in rows.iter_rows()], len(TEAMS)))
    schema = dict.fromkeys(RATINGS, pl.Float64)
    return pl.concat(
        [
            played.select("event_timestamp", team=f"{side}_team").hstack(
                pl.DataFrame([pair[place] for pair in after], schema, orient="row")
            )
            for place, side in enumerate(("home", "away"))
        ]
    )
