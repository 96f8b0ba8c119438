"""The 30 teams: where each plays, and which team a source's spelling means."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import polars as pl

# A source that spells a team in another way needs one more line here, and no change of code.
NAMES_FILE = Path(__file__).with_name("team_names.csv")

# Latitude, longitude and hours from UTC in winter of each team's city.
PLACES: dict[str, tuple[float, float, int]] = {
    "ATL": (33.76, -84.40, -5),
    "BKN": (40.68, -73.97, -5),
    "BOS": (42.37, -71.06, -5),
    "CHA": (35.23, -80.84, -5),
    "CHI": (41.88, -87.67, -6),
    "CLE": (41.50, -81.69, -5),
    "DAL": (32.79, -96.81, -6),
    "DEN": (39.75, -105.01, -7),
    "DET": (42.34, -83.06, -5),
    "GSW": (37.77, -122.39, -8),
    "HOU": (29.75, -95.36, -6),
    "IND": (39.76, -86.16, -5),
    "LAC": (34.04, -118.27, -8),
    "LAL": (34.04, -118.27, -8),
    "MEM": (35.14, -90.05, -6),
    "MIA": (25.78, -80.19, -5),
    "MIL": (43.05, -87.92, -6),
    "MIN": (44.98, -93.28, -6),
    "NOP": (29.95, -90.08, -6),
    "NYK": (40.75, -73.99, -5),
    "OKC": (35.46, -97.52, -6),
    "ORL": (28.54, -81.38, -5),
    "PHI": (39.90, -75.17, -5),
    "PHX": (33.45, -112.07, -7),
    "POR": (45.53, -122.67, -8),
    "SAC": (38.58, -121.50, -8),
    "SAS": (29.43, -98.44, -6),
    "TOR": (43.64, -79.38, -5),
    "UTA": (40.77, -111.90, -7),
    "WAS": (38.90, -77.02, -5),
}


def team_names(path: Path = NAMES_FILE) -> dict[str, str]:
    """Spelling, without case, blanks and marks, to team. Raises `ValueError` for a team that is not one of the 30.

    >>> team_names()[folded("Golden State Warriors")]
    'GSW'
    """
    return _names_of(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _names_of(path: Path, _changed_ns: int) -> dict[str, str]:
    names: dict[str, str] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            team, spelling = (row.get("team") or "").strip(), folded(row.get("spelling") or "")
            if team not in PLACES or not spelling:
                raise ValueError(f"{path.name}, line {number}: {team!r} is not one of {', '.join(PLACES)}")
            if names.setdefault(spelling, team) != team:
                raise ValueError(f"{path.name}, line {number}: {spelling!r} is {names[spelling]} and {team}")
    return names


def folded(spelling: str) -> str:
    """A spelling without case, blanks and marks."""
    return "".join(letter for letter in spelling.casefold() if letter.isalnum())


def matched(column: str, names: dict[str, str]) -> pl.Expr:
    """The team that each spelling of a column means; null where none does."""
    spelling = pl.col(column).str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    return spelling.replace_strict(names, default=None, return_dtype=pl.String)


def unmatched(table: pl.DataFrame, columns: tuple[str, ...], names: dict[str, str]) -> dict[str, int]:
    """Each spelling that no line of the table of names knows, with the number of rows that have it."""
    spellings = pl.concat([table.select(spelling=column, team=matched(column, names)) for column in columns])
    counts = (
        spellings.filter(pl.col("team").is_null()).group_by("spelling").len().sort("len", "spelling", descending=True)
    )
    return dict(counts.iter_rows())
