"""NBA forecasts of `touchline backtest` beside the market, Elo and RAPTOR on the same games.

    touchline backtest -p nba --data DIR --from 2019-10-01 --to 2023-07-01 --refit monthly --out forecasts.csv
    python benchmarks/nba_bars.py forecasts.csv DIR

Differences of log loss are paired, with standard errors over days, since the games of a day are not independent. The
market is the mean moneyline, or the closing one where it is missing, without its margin.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

_TEAM_NAMES = Path(__file__).parents[1] / "projects" / "nba" / "team_names.csv"
_GAME = ["date", "home_team", "away_team"]
# A forecast without knowledge of the line-ups does not beat the market by more.
_LEAK = 0.002


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forecasts", type=Path, help="CSV file with date, home, away and home_win")
    parser.add_argument("data", type=Path, help="the folder of the public files")
    arguments = parser.parse_args()
    games = _games(arguments.forecasts, arguments.data)
    seasons = games["season"].unique().sort().to_list()
    parts = {"all": games, "newest two seasons": games.filter(pl.col("season") >= seasons[-1] - 1)}
    parts |= {f"season {season}": games.filter(pl.col("season") == season) for season in seasons}
    for name, part in parts.items():
        _report(name, part)


def _report(name: str, games: pl.DataFrame) -> None:
    right = ((games["home_win"] > 0.5) == games["is_home_win"]).mean()
    own = _losses(games, "home_win")
    print(f"\n{name}: {games.height} games, log loss {own.mean():.4f}, accuracy {right:.4f}")
    for other in ("market", "elo", "raptor"):
        both = games.filter(pl.col(other).is_not_null())
        if both.is_empty():
            continue
        difference, error = _paired(both, other)
        low, high = difference - 1.96 * error, difference + 1.96 * error
        print(
            f"  minus {other:7} {difference:+.4f} ± {error:.4f}  95 % {low:+.4f} to {high:+.4f}  ({both.height} games)"
        )
        if other == "market" and difference < -_LEAK:
            print(f"  LEAK: it beats the market by more than {_LEAK}. Look for what was not known before the games.")


def _paired(games: pl.DataFrame, other: str) -> tuple[float, float]:
    """The mean difference and its standard error over days."""
    differences = games.select("date", value=_losses(games, "home_win") - _losses(games, other))
    mean = float(differences["value"].mean())  # type: ignore[arg-type]  # numbers, and some
    days = differences.group_by("date").agg((pl.col("value") - mean).sum())["value"].to_numpy()
    return mean, float(np.sqrt((days**2).sum()) / differences.height)


def _losses(games: pl.DataFrame, column: str) -> pl.Series:
    probability = pl.when("is_home_win").then(pl.col(column)).otherwise(1 - pl.col(column))
    return games.select(-probability.clip(1e-15, 1).log()).to_series()


def _games(forecasts: Path, data: Path) -> pl.DataFrame:
    rows = _named(pl.read_csv(forecasts), "home", "away").select(*_GAME, "home_win")
    results = _named(_read(data, "nba_games_odds_*"), "home", "away")
    results = results.select(
        *_GAME,
        pl.col("season").cast(pl.Int64),
        is_home_win=pl.col("score_home").cast(pl.Int64) > pl.col("score_away").cast(pl.Int64),
        closing=_market("moneyline_home", "moneyline_away"),
    )
    mean = _named(_read(data, "nba_oddsportal_*"), "team_1", "team_2")
    mean = mean.select(*_GAME, mean=_market("moneyline_1", "moneyline_2")).unique(_GAME)
    others = _named(_read(data, "nba_538_forecasts_*"), "team1", "team2")
    others = others.select(
        *_GAME, elo=pl.col("elo_prob1").cast(pl.Float64), raptor=pl.col("raptor_prob1").cast(pl.Float64)
    )
    games = rows.join(results, on=_GAME).join(mean, on=_GAME, how="left").join(others, on=_GAME, how="left")
    if games.height != rows.height:
        print(f"{rows.height - games.height} of {rows.height} forecasts have no game in the results")
    return games.with_columns(market=pl.coalesce("mean", "closing"))


def _read(folder: Path, pattern: str) -> pl.DataFrame:
    return pl.concat([pl.read_csv(path, infer_schema=False) for path in sorted(folder.glob(pattern))], how="diagonal")


def _named(table: pl.DataFrame, home: str, away: str) -> pl.DataFrame:
    names = pl.read_csv(_TEAM_NAMES)
    spellings = dict(zip(names["spelling"].str.to_lowercase(), names["team"], strict=True))
    day = [
        pl.col("date").cast(pl.String).str.to_date(form, strict=False) for form in ("%Y-%m-%d", "%d %b %Y", "%m/%d/%Y")
    ]
    return table.with_columns(
        date=pl.coalesce(day),
        home_team=pl.col(home).str.to_lowercase().replace_strict(spellings, default=None),
        away_team=pl.col(away).str.to_lowercase().replace_strict(spellings, default=None),
    )


def _market(home: str, away: str) -> pl.Expr:
    """The home side's probability by American odds, the margin removed."""

    def implied(column: str) -> pl.Expr:
        line = pl.col(column).cast(pl.Float64, strict=False)
        return pl.when(line <= -100).then(-line / (100 - line)).when(line >= 100).then(100 / (100 + line))

    return implied(home) / (implied(home) + implied(away))


if __name__ == "__main__":
    main()
