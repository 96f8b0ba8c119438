"""NBA: does the home team win, from what was known on the morning of the game.

The rows come from a folder of public files (`NBA_DATA`), or from the API of balldontlie.io (`BALLDONTLIE_API_KEY`).
No file may be passed on with the project, so there is no sample: `docs/nba.md` says where they come from.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import polars as pl
from pydantic import Field

from touchline import (
    Candidate,
    Contract,
    Daily,
    Entity,
    Gate,
    Monitoring,
    Project,
    Retrain,
    Rollout,
    Source,
    Training,
    classification,
    dataset_check,
    examples,
    feature_view,
    on_demand,
    row_check,
)
from touchline.project import Alternative
from touchline.training import AnchoredLogistic

from . import transforms
from .game_files import GameFolder, read_games
from .games_api import games_api
from .ratings import RATINGS
from .team_games import IN_ORDER, TEAMS, by_team, mean_so_far, place_of, played_games, ratings

# Ratings have settled by then; before, the three-point shot was rarer and the home side won more often.
FIRST_SEASON_TO_LEARN_FROM = 2003


class NbaGame(Contract):
    """One game; the points are null until it has been played."""

    game_id: str = Field(min_length=1)
    tipoff: datetime
    season: int = Field(ge=1947, le=2100)
    kind: Literal["regular", "play_in", "playoffs"]
    status: Literal["scheduled", "played", "postponed", "cancelled"] = "scheduled"
    neutral: bool = False
    home_team: Literal[TEAMS]  # type: ignore[valid-type]  # a tuple of the table's keys
    away_team: Literal[TEAMS]  # type: ignore[valid-type]
    home_points: int | None = Field(None, ge=0, le=300)
    away_points: int | None = Field(None, ge=0, le=300)
    home_price: float | None = Field(None, gt=1)
    away_price: float | None = Field(None, gt=1)
    mean_home_price: float | None = Field(None, gt=1)
    mean_away_price: float | None = Field(None, gt=1)
    spread: float | None = Field(None, ge=-60, le=60)
    date_text: str | None = None
    home_text: str | None = None
    away_text: str | None = None

    @row_check
    def a_team_does_not_play_itself(cls) -> pl.Expr:
        return pl.col("home_team") != pl.col("away_team")

    @row_check
    def a_game_has_a_winner(cls) -> pl.Expr:
        return (pl.col("home_points") != pl.col("away_points")).fill_null(value=True)

    @dataset_check
    def a_team_plays_once_a_day(cls, games: pl.DataFrame) -> str | None:
        held = games.filter(pl.col("status").is_in(["scheduled", "played"]))
        sides = pl.concat([held.select("tipoff", "game_id", team=f"{side}_team") for side in ("home", "away")])
        day = pl.col("tipoff").dt.offset_by("-5h").dt.date()
        twice = sides.group_by("team", day=day).agg("game_id").filter(pl.col("game_id").list.len() > 1).sort("day")
        if twice.is_empty():
            return None
        row = twice.row(0, named=True)
        return f"{row['team']} plays {len(row['game_id'])} games on {row['day']}: {', '.join(sorted(row['game_id']))}"

    @dataset_check
    def a_full_season_has_30_teams(cls, games: pl.DataFrame) -> str | None:
        regular = games.filter((pl.col("season") >= 2005) & (pl.col("kind") == "regular"))
        counts = regular.group_by("season").agg(
            pl.len(), teams=pl.concat([pl.col("home_team"), pl.col("away_team")]).n_unique()
        )
        # A season whose schedule is not out yet has fewer.
        wrong = counts.filter((pl.col("len") >= 600) & (pl.col("teams") != 30)).sort("season")
        return None if wrong.is_empty() else f"season {wrong['season'][0]} has {wrong['teams'][0]} teams, not 30"


games = Source(
    name="games",
    contract=NbaGame,
    key="game_id",
    event_time="tipoff",
    known_after=timedelta(hours=14),
    hidden_until_known=("home_points", "away_points"),
    provider=GameFolder(read_games, variable="NBA_DATA", otherwise=games_api()),
)

team = Entity(name="team", plural="teams", join_keys=["team"])


@feature_view(entity=team, source=games, ttl=timedelta(days=400))
def team_ratings(games: pl.LazyFrame) -> pl.LazyFrame:
    """Strength in points, its variance and Elo of a team after each of its games."""
    return ratings(played_games(games)).lazy()


@feature_view(entity=team, source=games, ttl=timedelta(days=400))
def team_season_stats(games: pl.LazyFrame) -> pl.LazyFrame:
    """A team's season so far after each of its games: wins, net points a game, form, home and away, last place."""
    everywhere, at_home = pl.lit(1.0), pl.col("is_home")
    rows = by_team(played_games(games)).with_columns(everywhere=everywhere)
    return rows.lazy().select(
        "team",
        "event_timestamp",
        games=pl.col("everywhere").cum_sum().over("team", "season", order_by=IN_ORDER),
        win_pct=mean_so_far(pl.col("won"), pl.col("everywhere")),
        net_rating=mean_so_far(pl.col("margin"), pl.col("everywhere")),
        home_win_pct=mean_so_far(pl.col("won"), at_home),
        away_win_pct=mean_so_far(pl.col("won"), 1 - at_home),
        form_10=pl.col("margin").rolling_mean(10, min_samples=1).over("team", order_by=IN_ORDER),
        points_10=pl.col("points").rolling_mean(10, min_samples=1).over("team", order_by=IN_ORDER),
        last_tipoff="tipoff",
        last_lat=place_of("place", 0),
        last_lon=place_of("place", 1),
        last_zone=place_of("place", 2),
        lat=place_of("team", 0),
        lon=place_of("team", 1),
        zone=place_of("team", 2),
    )


def _of_both(*names: str) -> list[str]:
    return [f"{side}_{name}" for side in ("home", "away") for name in names]


matchup = on_demand(
    inputs=[
        *("neutral", "playoffs", "home_home_advantage", "home_playoff_advantage", "home_tired_points", "cutoff"),
        *_of_both("last_tipoff", *RATINGS[:4]),
    ]
)(transforms.matchup)
schedule = on_demand(
    inputs=[
        "playoffs",
        *_of_both("last_tipoff", "games", "win_pct", "last_lat", "last_lon"),
        *("away_last_zone", "home_zone", "home_lat", "home_lon", "cutoff"),
    ]
)(transforms.schedule)
market = on_demand(inputs=["home_price", "away_price", "mean_home_price", "mean_away_price", "spread"])(
    transforms.market
)


@examples(
    source=games,
    exclude={
        "postponed": pl.col("status") == "postponed",
        "cancelled": pl.col("status") == "cancelled",
    },
)
def each_game(games: pl.LazyFrame) -> pl.LazyFrame:
    """Games to learn from and to predict: known up to the morning of the game, settled the next."""
    home, away = pl.col("home_points"), pl.col("away_points")
    market_home = pl.col("mean_away_price") / (pl.col("mean_home_price") + pl.col("mean_away_price"))
    return games.filter(pl.col("season") >= FIRST_SEASON_TO_LEARN_FROM).select(
        "home_team",
        "away_team",
        "kind",
        "status",
        "home_price",
        "away_price",
        "mean_home_price",
        "mean_away_price",
        "spread",
        neutral=pl.col("neutral").cast(pl.Float64),
        playoffs=(pl.col("kind") == "playoffs").cast(pl.Float64),
        market_home=market_home,
        market_away=1 - market_home,
        example_id="game_id",
        cutoff="tipoff",
        label=pl.when(home > away).then(pl.lit("home_win")).when(home < away).then(pl.lit("away_win")),
        label_timestamp="event_timestamp",
        cluster=pl.col("tipoff").dt.strftime("%Y-%m-%d"),
    )


_CLASSES = ["away_win", "home_win"]
_VIEWS = [
    view.on(f"{side}_team", prefix=side) for side in ("home", "away") for view in (team_ratings, team_season_stats)
]
winner = classification(
    examples=each_game,
    classes=_CLASSES,
    features=_VIEWS,
    inputs=["neutral", "playoffs"],
    on_demand=[matchup, schedule],
    slices=["kind"],
)
winner_with_odds = classification(
    examples=each_game,
    classes=_CLASSES,
    features=_VIEWS,
    inputs=["neutral", "playoffs", *market.inputs],
    on_demand=[matchup, schedule, market],
    slices=["kind"],
)

training = Training(
    candidates=[
        Candidate(name="ratings", family="logistic", columns=2),
        Candidate(name="logistic", family="logistic", columns=6),
        "lightgbm",
    ],
    test="1y",
    validation="3y",
    baselines={"market": ["market_away", "market_home"]},
    leak_margins={"market": 0.002},
)
# On the seasons 2012 to 2019 no weight of these columns beat the market, and a model that learned them freely lost.
anchored = Candidate(name="market", family=AnchoredLogistic([None, "market_mean"]))
with_odds = Alternative(
    task=winner_with_odds,
    training=training.model_copy(update={"candidates": (anchored,), "calibration": ("none",)}),
)

project = Project(
    name="nba",
    description="Does the home team win, from what was known on the morning of the game",
    sources=[games],
    feature_views=[team_ratings, team_season_stats],
    task=winner,
    alternatives={"with_odds": with_odds},
    identity={"date": "date_text", "home": "home_text", "away": "away_text"},
    training=training,
    gates=[Gate("accuracy", at_least=0.52), Gate.improves("log_loss", confidence=0.95)],
    rollout=Rollout(mode="ab", cluster=True, metric="log_loss", min_days=7),
    retrain=Retrain(schedule="0 9 * * 1", timezone="America/New_York", on_drift=True, on_degradation=True),
    daily=Daily(schedule="0 10 * * *", timezone="America/New_York", ahead=timedelta(days=2)),
    monitoring=Monitoring(),
)
