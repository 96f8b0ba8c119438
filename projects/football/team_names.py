"""One name for each team: which spelling of a source means which team of a country.

`team_names.csv` has a line for each spelling that differs from the team's name here. A person's own spellings go into a
file of the same layout in the folder of the data. Upper and lower case, accents, blanks and marks do not matter.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import polars as pl

FILE_NAME = "team_names.csv"
_COLUMNS = ("country", "team", "spelling")


@dataclass(frozen=True)
class TeamNames:
    """The team of each folded spelling, by country: the letters of a division, such as E of E0 and E1."""

    teams: Mapping[str, Mapping[str, str]]

    def with_teams(self, named: Iterable[tuple[str, str]]) -> TeamNames:
        """These names, and teams that are spelled as they are called, as (country, name)."""
        teams = {country: dict(own) for country, own in self.teams.items()}
        for country, name in named:
            teams.setdefault(country, {}).setdefault(folded(name), name)
        return TeamNames(teams)

    def team(self, country: str, spelling: str) -> str | None:
        """The team that a spelling means in a country, None where no line has it."""
        return self.teams.get(country, {}).get(folded(spelling))

    def team_of_any_country(self, spelling: str) -> str | None:
        """The team that a spelling means, where only one team of all countries is spelled so."""
        found = {own[folded(spelling)] for own in self.teams.values() if folded(spelling) in own}
        return found.pop() if len(found) == 1 else None

    def matched(self, table: pl.DataFrame, *columns: str) -> pl.DataFrame:
        """The table with the teams of these columns of spellings in place of the spellings; null where none is meant.

        The table has a column `division`.
        """
        country = country_of(table["division"])
        return table.with_columns(
            pl.Series(
                column,
                [
                    None if text is None else self.team(place, text)
                    for place, text in zip(country, table[column], strict=True)
                ],
                dtype=pl.String,
            )
            for column in columns
        )

    def unmatched(self, table: pl.DataFrame, *columns: str) -> list[str]:
        """What a person reads of each spelling that means no team: the number of rows, and the nearest spelling."""
        country = country_of(table["division"])
        counted = Counter(
            (place, text)
            for column in columns
            for place, text in zip(country, table[column], strict=True)
            if text is not None and self.team(place, text) is None
        )
        return [self._described(*one, rows) for one, rows in counted.most_common()]

    def _described(self, country: str, spelling: str, rows: int) -> str:
        known = self.teams.get(country, {})
        near = get_close_matches(folded(spelling), known, n=1, cutoff=0.6)
        hint = f", nearest: {known[near[0]]!r}" if near else ""
        return f"{country} {spelling!r} ({rows} rows{hint})"


def read_team_names(*more: Path) -> TeamNames:
    """The project's own lines, and those of further files. Raises `ValueError` for a line that does not fit.

    >>> read_team_names().team("D", "FC Cologne")
    '1. FC Koeln'
    """
    teams: dict[str, dict[str, str]] = {}
    for path in (Path(__file__).with_name(FILE_NAME), *more):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                country, team, spelling = ((row.get(name) or "").strip() for name in _COLUMNS)
                if not (country and team and folded(spelling)):
                    raise ValueError(f"{path.name}, line {number}: {row} lacks one of {', '.join(_COLUMNS)}")
                own = teams.setdefault(country, {})
                for text in (spelling, team):
                    if own.setdefault(folded(text), team) != team:
                        earlier = own[folded(text)]
                        raise ValueError(f"{path.name}, line {number}: {text!r} means {earlier} and {team}")
    return TeamNames(teams)


def country_of(divisions: pl.Series) -> pl.Series:
    """The letters of each division.

    >>> country_of(pl.Series(["E0", "SP2"])).to_list()
    ['E', 'SP']
    """
    return divisions.str.replace(r"\d+$", "")


@lru_cache(maxsize=20_000)
def folded(spelling: str) -> str:
    """A spelling without case, accents, blanks and marks."""
    return "".join(one for one in unicodedata.normalize("NFKD", spelling.casefold()) if one.isalnum())
