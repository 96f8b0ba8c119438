"""FiveThirtyEight's forecasts of matches, `spi_matches*.csv` or `.csv.gz` in the folder of the seasons.

They were published before each match: a second opinion beside the project's own model, and a baseline.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from touchline.ingest import RawFile

from .team_names import TeamNames

Note = Callable[[str], None]

PATTERN = "spi_matches*.csv*"
PROBABILITIES = {"home_538": "prob1", "draw_538": "probtie", "away_538": "prob2"}
_DIVISIONS = {
    2411: "E0", 2412: "E1", 2413: "E2", 2414: "E3", 1845: "D1", 1846: "D2", 1869: "SP1", 1871: "SP2", 1854: "I1",
    1856: "I2", 1843: "F1", 1844: "F2", 1849: "N1", 1864: "P1", 2417: "SC0", 1832: "B1", 1882: "T1", 1884: "G1",
}  # fmt: skip
# Days by which the sources may differ: a match near midnight, or one that was moved.
_DAYS_APART = 3
_TEAMS = ("home_team", "away_team")
_MOST_NAMED = 20


def with_forecasts(
    matches: pl.DataFrame, folder: Path, names: TeamNames, note: Note
) -> tuple[pl.DataFrame, list[RawFile]]:
    """The matches with `home_538`, `draw_538` and `away_538`, null where the folder has no forecast; and the files."""
    paths = sorted(path for path in folder.glob(PATTERN) if path.is_file())
    if not paths:
        return matches.with_columns(pl.lit(None, pl.Float64).alias(name) for name in PROBABILITIES), []
    forecasts = pl.concat([_read(path) for path in paths], how="diagonal")
    forecasts = _of_these_seasons(forecasts, matches)
    unmatched = names.unmatched(forecasts, *_TEAMS)
    if unmatched:
        more = f" and {len(unmatched) - _MOST_NAMED} more" if len(unmatched) > _MOST_NAMED else ""
        shown = "; ".join(unmatched[:_MOST_NAMED])
        note(f"538: no team is spelled {shown}{more}: add lines to team_names.csv in the folder")
    known = names.matched(forecasts, *_TEAMS).drop_nulls(_TEAMS)
    return _joined(matches, known, note), [RawFile.at(path) for path in paths]


def _read(path: Path) -> pl.DataFrame:
    table = pl.read_csv(path, infer_schema=False, null_values=["", "NA"])
    number = {name: pl.col(theirs).cast(pl.Float64, strict=False) for name, theirs in PROBABILITIES.items()}
    total = sum(number.values(), pl.lit(0.0))
    return table.select(
        division=pl.col("league_id").cast(pl.Int64, strict=False).replace_strict(_DIVISIONS, default=None),
        day=pl.col("date").str.to_date("%Y-%m-%d", strict=False),
        home_team="team1",
        away_team="team2",
        home_goals_538=pl.col("score1").cast(pl.Float64, strict=False),
        away_goals_538=pl.col("score2").cast(pl.Float64, strict=False),
        # Published with four digits; what adds up to less than 0.98 or more than 1.02 is no forecast.
        **{name: pl.when((total - 1).abs() < 0.02).then(each / total) for name, each in number.items()},
    ).drop_nulls(["division", "day"])


def _of_these_seasons(forecasts: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """The forecasts for the divisions and between the first and last days of the seasons that the folder has."""
    day = pl.col("kickoff").dt.date()
    days = matches.group_by("division", "season").agg(first=day.min(), last=day.max())
    return (
        forecasts.join_where(
            days,
            pl.col("division") == pl.col("division_season"),
            pl.col("day") >= pl.col("first"),
            pl.col("day") <= pl.col("last"),
            suffix="_season",
        )
        .select(forecasts.columns)
        .unique(maintain_order=True)
    )


def _joined(matches: pl.DataFrame, forecasts: pl.DataFrame, note: Note) -> pl.DataFrame:
    keys = ["division", *_TEAMS]
    ours = matches.with_row_index("_place").with_columns(day=pl.col("kickoff").dt.date()).sort("day")
    theirs = forecasts.with_row_index("_forecast").with_columns(day_538="day").sort("day")
    tolerance = f"{_DAYS_APART}d"
    joined = ours.join_asof(
        theirs, on="day", by=keys, strategy="nearest", tolerance=tolerance, check_sortedness=False
    ).sort("_place")
    _note_differences(joined, forecasts.height, note)
    return joined.select(*matches.columns, *PROBABILITIES)


def _note_differences(joined: pl.DataFrame, forecasts: int, note: Note) -> None:
    """What two sources say differently: forecasts of no match, and other scores."""
    used = joined["_forecast"].drop_nulls().n_unique()
    if used < forecasts:
        note(f"538: {forecasts - used} of {forecasts} forecasts have no match of their teams within {_DAYS_APART} days")
    differ = joined.filter(
        (pl.col("home_goals") != pl.col("home_goals_538")) | (pl.col("away_goals") != pl.col("away_goals_538"))
    )
    if differ.height:
        row = differ.row(0, named=True)
        note(
            f"538: another score in {differ.height} matches (first: {row['day_538']} {row['home_team']} - "
            f"{row['away_team']}, {row['home_goals']}:{row['away_goals']} and {row['home_goals_538']:.0f}:"
            f"{row['away_goals_538']:.0f}); the season's file counts"
        )
