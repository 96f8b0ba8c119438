"""Football: home win, draw or away win, from what was known at kick-off.

The sample holds every Bundesliga match from 1963 to 2009. Its clock stands at 2009-04-15: later
matches are fixtures to predict, and their real results arrive when the clock is advanced.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import polars as pl
from pydantic import Field

from touchline import (
    Candidate,
    Contract,
    Drift,
    Entity,
    Gate,
    Monitoring,
    Project,
    Retrain,
    Rollout,
    SampleClock,
    Source,
    Training,
    classification,
    dataset_check,
    examples,
    feature_view,
    on_demand,
    row_check,
)
from touchline.ingest import FrameProvider
from touchline.project import Alternative, Page
from touchline.training import AnchoredLogistic

from . import transforms
from .jackpot_page import jackpots_page
from .jackpot_routes import jackpots_router
from .ratings import elo_after_each_match
from .samples import bundesliga
from .season_files import SeasonFolder, read_seasons
from .strengths import weekly_strengths

DATA_FOLDER = "FOOTBALL_DATA"
# Until 1995 a win gave two points; the balance of home and away wins has moved since the sixties, too.
FIRST_SEASON_TO_LEARN_FROM = 1995
FIRST_SEASON_OF_STRENGTHS = FIRST_SEASON_TO_LEARN_FROM - 3


class Match(Contract):
    """One match; the goals are null until it has been played."""

    match_id: str
    kickoff: datetime = Field(description="the start of the day where the source has no time")
    known_at: datetime | None = Field(None, description="where the kick-off has no time, the end of its day")
    season: int = Field(ge=1963, le=2100)
    round: int | None = Field(None, ge=1, le=60)
    division: str = Field(min_length=1)
    date_text: str | None = Field(None, description="the date as the source spells it")
    home_team: str = Field(min_length=1)
    away_team: str = Field(min_length=1)
    home_text: str | None = Field(None, description="the team as the source spells it")
    away_text: str | None = Field(None, description="the team as the source spells it")
    home_goals: int | None = Field(None, ge=0, le=30)
    away_goals: int | None = Field(None, ge=0, le=30)
    home_shots: int | None = Field(None, ge=0, le=99)
    away_shots: int | None = Field(None, ge=0, le=99)
    home_on_target: int | None = Field(None, ge=0, le=99)
    away_on_target: int | None = Field(None, ge=0, le=99)
    home_corners: int | None = Field(None, ge=0, le=99)
    away_corners: int | None = Field(None, ge=0, le=99)
    home_odds: float | None = Field(None, gt=1)
    draw_odds: float | None = Field(None, gt=1)
    away_odds: float | None = Field(None, gt=1)
    home_538: float | None = Field(None, gt=0, lt=1, description="FiveThirtyEight's probability")
    draw_538: float | None = Field(None, gt=0, lt=1)
    away_538: float | None = Field(None, gt=0, lt=1)

    @row_check
    def a_team_does_not_play_itself(cls) -> pl.Expr:
        return pl.col("home_team") != pl.col("away_team")

    @dataset_check
    def a_division_has_at_most_24_teams(cls, matches: pl.DataFrame) -> str | None:
        counted = matches.group_by("division", "season").agg(teams=pl.col("home_team").n_unique())
        for division, season, teams in counted.filter(pl.col("teams") > 24).sort("division", "season").iter_rows():
            return f"{division} has {teams} teams in season {season}; a misspelt name makes one too many"
        return None


matches = Source(
    name="matches",
    contract=Match,
    key="match_id",
    event_time="kickoff",
    known_after=timedelta(hours=2),
    known_at="known_at",
    hidden_until_known=(
        "home_goals",
        "away_goals",
        "home_shots",
        "away_shots",
        "home_on_target",
        "away_on_target",
        "home_corners",
        "away_corners",
    ),
    provider=SeasonFolder(read_seasons, variable=DATA_FOLDER, otherwise=FrameProvider(bundesliga)),
)

team = Entity(name="team", plural="teams", join_keys=["team"])


@feature_view(entity=team, source=matches, ttl=timedelta(days=400))
def team_strength(matches: pl.LazyFrame) -> pl.LazyFrame:
    """Elo and goals of a team after each of its matches, stamped with the final whistle."""
    return _by_team(_with_elo(_played(matches)), "elo").select(
        "team",
        "event_timestamp",
        "elo",
        attack=pl.col("scored").ewm_mean(half_life=12).over("team", order_by="event_timestamp"),
        defence=pl.col("conceded").ewm_mean(half_life=12).over("team", order_by="event_timestamp"),
    )


@feature_view(entity=team, source=matches, ttl=timedelta(days=120))
def team_form(matches: pl.LazyFrame) -> pl.LazyFrame:
    """Points of the last matches, at all grounds and at home or away alone."""
    games = _by_team(_played(matches))

    def recent(column: str, window: int) -> pl.Expr:
        return pl.col(column).rolling_mean(window, min_samples=1).over("team", order_by="event_timestamp")

    return games.select(
        "team",
        "event_timestamp",
        points_5=recent("points", 5),
        points_15=recent("points", 15),
        goal_difference_10=recent("difference", 10),
    )


def _played(matches: pl.LazyFrame) -> pl.DataFrame:
    return _with_results(matches).sort("event_timestamp", "match_id").collect()


def _with_elo(games: pl.DataFrame) -> pl.DataFrame:
    ratings = elo_after_each_match(games.select("home_team", "away_team", "home_goals", "away_goals").iter_rows())
    home, away = zip(*ratings, strict=True) if ratings else ((), ())
    return games.with_columns(
        pl.Series("home_elo", home, dtype=pl.Float64), pl.Series("away_elo", away, dtype=pl.Float64)
    )


def _by_team(games: pl.DataFrame, *rated: str) -> pl.LazyFrame:
    """One row a team and match; each name in `rated` is that of a column with a side before it."""

    def side(own: str, other: str) -> pl.LazyFrame:
        difference = pl.col(f"{own}_goals") - pl.col(f"{other}_goals")
        return games.lazy().select(
            "event_timestamp",
            team=f"{own}_team",
            **{name: f"{own}_{name}" for name in rated},
            scored=pl.col(f"{own}_goals").cast(pl.Float64),
            conceded=pl.col(f"{other}_goals").cast(pl.Float64),
            difference=difference.cast(pl.Float64),
            points=pl.when(difference > 0).then(3.0).when(difference == 0).then(1.0).otherwise(0.0),
        )

    return pl.concat([side("home", "away"), side("away", "home")])


@feature_view(entity=team, source=matches, ttl=timedelta(days=400))
def team_goals(matches: pl.LazyFrame) -> pl.LazyFrame:
    """Attack and defence of each team by Dixon-Coles models that are fitted each week on the matches before it."""
    played = matches.filter(pl.col("season") >= FIRST_SEASON_OF_STRENGTHS)
    return weekly_strengths(_with_results(played).collect()).lazy()


def _with_results(matches: pl.LazyFrame) -> pl.LazyFrame:
    return matches.filter(pl.col("home_goals").is_not_null() & pl.col("away_goals").is_not_null())


goal_model = on_demand(
    inputs=[
        *(f"{side}_{name}" for side in ("home", "away") for name in ("goal_level", "goal_home", "rho")),
        *(f"{side}_{name}" for side in ("home", "away") for name in ("goal_attack", "goal_defence")),
        *(f"{side}_{name}_{side}" for side in ("home", "away") for name in transforms.MEASURES),
    ]
)(transforms.goal_model)

gaps = on_demand(inputs=["home_elo", "away_elo", "home_attack", "home_defence", "away_attack", "away_defence"])(
    transforms.gaps
)


odds = ("home_odds", "draw_odds", "away_odds")
market_probabilities = ("implied_home", "implied_draw", "implied_away")
of_538 = ("home_538", "draw_538", "away_538")


@examples(source=matches)
def fixtures(matches: pl.LazyFrame) -> pl.LazyFrame:
    """Matches to learn from and to predict: known up to kick-off, settled at the final whistle."""
    home, away = pl.col("home_goals"), pl.col("away_goals")
    overround = sum((1 / pl.col(name) for name in odds), pl.lit(0.0))
    outcome = pl.when(home > away).then(pl.lit("home")).when(home == away).then(pl.lit("draw"))
    return matches.filter(pl.col("season") >= FIRST_SEASON_TO_LEARN_FROM).select(
        "home_team",
        "away_team",
        "season",
        *odds,
        *of_538,
        # The market's opening odds without their margin.
        **{implied: 1 / pl.col(name) / overround for implied, name in zip(market_probabilities, odds, strict=True)},
        example_id="match_id",
        cutoff="kickoff",
        label=outcome.when(home < away).then(pl.lit("away")),
        label_timestamp="event_timestamp",
        cluster=pl.col("kickoff").dt.strftime("%Y-%m-%d"),
    )


result = classification(
    examples=fixtures,
    classes=["home", "draw", "away"],
    ordered=True,
    features=[
        team_strength.on("home_team", prefix="home"),
        team_strength.on("away_team", prefix="away"),
        team_form.on("home_team", prefix="home"),
        team_form.on("away_team", prefix="away"),
        team_goals.on("home_team", prefix="home"),
        team_goals.on("away_team", prefix="away"),
    ],
    on_demand=[gaps, goal_model],
)
result_with_odds = result.model_copy(
    update={
        "inputs": (*result.inputs, *odds),
        "on_demand": (*result.on_demand, on_demand(inputs=list(odds))(transforms.market)),
    }
)

# One number for all teams of a country, which moves slowly: no column of a match.
OF_A_COUNTRY = tuple(f"{side}_{name}" for side in ("home", "away") for name in ("goal_level", "goal_home", "rho"))

result_with_538 = result.model_copy(
    update={
        "inputs": (*result.inputs, *of_538),
        "on_demand": (gaps, on_demand(inputs=[*goal_model.inputs, *of_538])(transforms.pooled_forecasts)),
    }
)

training = Training(
    # On 2010/11 to 2015/16 (6,396 matches) eight columns are the forecasts and the gaps.
    candidates=[
        Candidate(name="forecasts", family="logistic", params={"strength": 0.01}, columns=8),
        "logistic",
        "lightgbm",
    ],
    compare_every="1y",
    test="5y",
    baselines={"market": market_probabilities, "538": of_538},
    leak_margins={"market": 0.002},
)
# On the same matches no column added to the market by more than its standard error.
anchored = Candidate(name="market", family=AnchoredLogistic(["market_home", None, "market_away"]), columns=10)
with_odds = Alternative(
    task=result_with_odds,
    training=training.model_copy(update={"candidates": (anchored,), "calibration": ("none",)}),
)

project = Project(
    name="football",
    description="Home win, draw or away win in the Bundesliga, from what was known at kick-off",
    sources=[matches],
    feature_views=[team_strength, team_form, team_goals],
    task=result,
    training=training,
    gates=[Gate("accuracy", at_least=0.45), Gate.improves("log_loss", confidence=0.95)],
    rollout=Rollout(mode="shadow", cluster=True, metric="log_loss", min_days=7),
    retrain=Retrain(schedule="0 4 * * 1", on_drift=True),
    monitoring=Monitoring(drift=Drift(ignore=OF_A_COUNTRY)),
    identity={"Div": "division", "Date": "date_text", "HomeTeam": "home_text", "AwayTeam": "away_text"},
    alternatives={"with_odds": with_odds, "with_538": result_with_538},
    # A person's own files go on, and so does the time of the project.
    clock=None if os.environ.get(DATA_FOLDER) else SampleClock(at="2009-04-15T00:00:00Z"),
    routers=[jackpots_router],
    pages=[Page(path="jackpots", title="Jackpots", content=jackpots_page)],
)
