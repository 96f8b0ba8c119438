"""Football forecasts of `touchline backtest` beside the market, FiveThirtyEight and Dixon-Coles on the same matches.

    touchline backtest -p football --data DIR --from 2016-08-01 --to 2020-08-01 --refit weekly --out forecasts.csv
    python benchmarks/football_bars.py forecasts.csv DIR [--divisions E0,D1,SP1]

Differences of log loss are paired, with standard errors over days. The market is the mean of the opening odds without
its margin. `--both` counts only matches that have the market and FiveThirtyEight.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from touchline.project import load_project

_ROOT = Path(__file__).parents[1]
_OUTCOMES = ("home", "draw", "away")
_MATCH = ["division", "date_text", "home_text", "away_text"]
# A forecast without news of the teams does not beat the opening market by more.
_LEAK = 0.002
_BINS = 10
_LEAST_IN_BIN = 100
_DRAWS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forecasts", type=Path, nargs="?", help="CSV file of the backtest")
    parser.add_argument("data", type=Path, nargs="?", help="the folder of the seasons' files")
    parser.add_argument("--divisions", default="E0,D1,SP1")
    parser.add_argument("--both", action="store_true", help="only matches that have the market and FiveThirtyEight")
    arguments = parser.parse_args()
    if arguments.forecasts is None or arguments.data is None:
        print("no forecasts and no folder were named, so there is nothing to measure")
        return
    matches = _matches(arguments.forecasts, arguments.data, arguments.divisions.split(","))
    if arguments.both:
        matches = matches.filter(pl.col("market").is_not_null() & pl.col("538").is_not_null())
    seasons = matches["season"].unique().sort().to_list()
    parts = {"all": matches} | {f"season {season}": matches.filter(pl.col("season") == season) for season in seasons}
    for name, part in parts.items():
        _report(name, part)
    early = pl.col("is_promoted") & pl.col("month").is_in([8, 9, 10])
    _report("promoted teams, August to October", matches.filter(early))
    _report("all others", matches.filter(early.not_()))
    _calibration(matches)


def _report(name: str, matches: pl.DataFrame) -> None:
    if matches.is_empty():
        return
    print(f"\n{name}: {matches.height} matches, log loss {matches['own'].mean():.4f}")
    for other in ("market", "538", "dixon_coles"):
        both = matches.filter(pl.col(other).is_not_null())
        if both.is_empty():
            continue
        difference, error = _paired(both, other)
        low, high = difference - 1.96 * error, difference + 1.96 * error
        span = f"95 % {low:+.4f} to {high:+.4f}"
        print(f"  minus {other:11} {difference:+.4f} ± {error:.4f}  {span}  ({both.height} matches)")
        if other == "market" and difference < -_LEAK:
            print(f"  LEAK: it beats the market by more than {_LEAK}. Look for what was not known before the matches.")


def _paired(matches: pl.DataFrame, other: str) -> tuple[float, float]:
    """The mean difference and its standard error over days."""
    differences = matches.select("date_text", value=pl.col("own") - pl.col(other))
    mean = float(differences["value"].mean())  # type: ignore[arg-type]  # numbers, and some
    days = differences.group_by("date_text").agg((pl.col("value") - mean).sum())["value"].to_numpy()
    return mean, float(np.sqrt((days**2).sum()) / differences.height)


def _calibration(matches: pl.DataFrame) -> None:
    """The largest gap between predicted and observed shares over ten bins of all probabilities, of two kinds.

    Beside each stands the gap that forecasts without any error exceed in one sample of twenty, by outcomes drawn from
    the forecasts themselves.
    """
    predicted = matches.select(_OUTCOMES).to_numpy()
    outcomes = np.array([_OUTCOMES.index(name) for name in matches["outcome"]])
    flat = predicted.ravel()
    by_width = np.minimum((flat * _BINS).astype(int), _BINS - 1)
    by_count = np.argsort(np.argsort(flat, kind="stable"), kind="stable") * _BINS // len(flat)
    for name, places in (("equal width", by_width), ("equal counts", by_count)):
        gap, count = _largest_gap(predicted, outcomes, places)
        random = np.random.default_rng(0)
        limits = np.cumsum(predicted, axis=1)[:, :-1]
        drawn = [(random.random((len(limits), 1)) > limits).sum(axis=1) for _ in range(_DRAWS)]
        chance = np.quantile([_largest_gap(predicted, each, places)[0] for each in drawn], 0.95)
        print(
            f"\nlargest gap of ten bins of {name}: {100 * gap:.1f} points ({count} of {len(flat)} probabilities); "
            f"without any error up to {100 * chance:.1f}"
        )


def _largest_gap(predicted: np.ndarray, outcomes: np.ndarray, places: np.ndarray) -> tuple[float, int]:
    counts = np.bincount(places, minlength=_BINS)
    observed = np.eye(len(_OUTCOMES))[outcomes].ravel()
    gaps = np.abs(np.bincount(places, predicted.ravel() - observed, minlength=_BINS)) / np.maximum(counts, 1)
    worst = int(np.argmax(np.where(counts >= _LEAST_IN_BIN, gaps, -1.0)))
    return float(gaps[worst]), int(counts[worst])


def _matches(forecasts: Path, data: Path, divisions: list[str]) -> pl.DataFrame:
    load_project(_ROOT / "projects" / "football", base=_ROOT)
    from touchline_projects.football.season_files import read_seasons  # type: ignore[import-not-found]

    own = pl.read_csv(forecasts, infer_schema=False).rename(
        {"Div": "division", "Date": "date_text", "HomeTeam": "home_text", "AwayTeam": "away_text"}
    )
    own = own.with_columns(pl.col(name).cast(pl.Float64) for name in _OUTCOMES)
    seasons, _ = read_seasons(data, print)
    seasons = seasons.join(_promoted(seasons), on=["division", "season"], how="left")
    played = seasons.filter(pl.col("home_goals").is_not_null()).join(_dixon_coles(seasons), on="match_id", how="left")
    joined = own.filter(pl.col("division").is_in(divisions)).join(played, on=_MATCH, suffix="_season")
    home, away = pl.col("home_goals"), pl.col("away_goals")
    outcome = pl.when(home > away).then(pl.lit("home")).when(home < away).then(pl.lit("away"))
    total = sum((1 / pl.col(f"{name}_odds") for name in _OUTCOMES), pl.lit(0.0))
    named = joined.with_columns(
        outcome=outcome.otherwise(pl.lit("draw")),
        month=pl.col("kickoff").dt.month(),
        is_promoted=pl.col("promoted").list.contains(pl.col("home_team"))
        | pl.col("promoted").list.contains(pl.col("away_team")),
        **{f"{name}_market": 1 / pl.col(f"{name}_odds") / total for name in _OUTCOMES},
    )
    return named.with_columns(
        own=_loss("{}"), market=_loss("{}_market"), dixon_coles=_loss("{}_dc"), **{"538": _loss("{}_538")}
    )


def _loss(column: str) -> pl.Expr:
    given = pl.coalesce(pl.when(pl.col("outcome") == name).then(pl.col(column.format(name))) for name in _OUTCOMES)
    return -given.clip(1e-15, 1).log()


def _promoted(seasons: pl.DataFrame) -> pl.DataFrame:
    """By division and season the teams that were not in the division the season before; none in the first."""
    teams = seasons.group_by("division", "season").agg(teams=pl.col("home_team").unique())
    before = teams.with_columns(season=pl.col("season") + 1).rename({"teams": "before"})
    both = teams.join(before, on=["division", "season"])
    return both.select("division", "season", promoted=pl.col("teams").list.set_difference("before"))


def _dixon_coles(seasons: pl.DataFrame) -> pl.DataFrame:
    """The probabilities of the project's Dixon-Coles model alone, on goals, as of each kick-off."""
    from touchline_projects.football.project import FIRST_SEASON_OF_STRENGTHS
    from touchline_projects.football.score_grid import goal_forecast, score_grid
    from touchline_projects.football.strengths import weekly_strengths

    known = pl.coalesce("known_at", pl.col("kickoff") + pl.duration(hours=2))
    timed = seasons.with_columns(event_timestamp=known).filter(pl.col("season") >= FIRST_SEASON_OF_STRENGTHS)
    strengths = weekly_strengths(timed.filter(pl.col("home_goals").is_not_null())).sort("event_timestamp")
    matches = timed.select("match_id", "kickoff", "home_team", "away_team").sort("kickoff")
    for side in ("home", "away"):
        own = strengths.rename({name: f"{side}_{name}" for name in strengths.columns if name != "event_timestamp"})
        own = own.rename({"event_timestamp": "kickoff"})
        matches = matches.join_asof(own, on="kickoff", by=f"{side}_team", tolerance="400d", check_sortedness=False)
    rows = []
    for values in matches.iter_rows(named=True):
        forecast = goal_forecast(values)
        grid = score_grid(forecast.home.rate, forecast.away.rate, forecast.rho)
        rows.append((values["match_id"], np.tril(grid, -1).sum(), np.trace(grid), np.triu(grid, 1).sum()))
    return pl.DataFrame(rows, schema=["match_id", *(f"{name}_dc" for name in _OUTCOMES)], orient="row")


if __name__ == "__main__":
    main()
