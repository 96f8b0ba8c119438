"""Seasons of made-up games, in the layout of the public files, and the loaded project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from touchline.project import LoadedProject, load_project

ROOT = Path(__file__).parents[2]
RESULTS = "nba_games_odds_2008_2023.csv"
SPELLINGS = [
    *("atl", "bkn", "bos", "cha", "chi", "cle", "dal", "den", "det", "gs", "hou", "ind", "lac", "lal", "mem", "mia"),
    *("mil", "min", "no", "ny", "okc", "orl", "phi", "phx", "por", "sa", "sac", "tor", "utah", "wsh"),
]


@lru_cache(maxsize=1)
def nba() -> LoadedProject:
    return load_project(ROOT / "projects" / "nba", base=ROOT)


def module(name: str) -> ModuleType:
    """A file of the project, imported as the project imports it."""
    provider = nba().project.sources[0].provider
    return import_module(f"{type(provider).__module__.rpartition('.')[0]}.{name}")


def a_result(**values: Any) -> dict[str, Any]:
    """A line of the results file."""
    return {
        "season": 2019,
        "date": "2018-10-16",
        "regular": "True",
        "playoffs": "False",
        "away": "okc",
        "home": "gs",
        "score_away": 100,
        "score_home": 108,
        "whos_favored": "home",
        "spread": 11.5,
        "moneyline_away": 660,
        "moneyline_home": -900,
        **values,
    }


def a_folder(place: Path, results: list[dict[str, Any]], **others: list[dict[str, Any]]) -> Path:
    """A folder with a results file and other files by name."""
    place.mkdir(exist_ok=True)
    pl.DataFrame(results, infer_schema_length=None).write_csv(place / RESULTS)
    for name, rows in others.items():
        pl.DataFrame(rows, infer_schema_length=None).write_csv(place / f"{name}.csv")
    return place


@dataclass
class Season:
    """Games in which a stronger team wins more often; strengths in points."""

    rng: np.random.Generator
    strengths: np.ndarray

    def results(self, season: int, days: int) -> list[dict[str, Any]]:
        first = date(season - 1, 10, 20)
        return [game for number in range(days) for game in self._day(season, first + timedelta(days=number))]

    def _day(self, season: int, day: date) -> list[dict[str, Any]]:
        order = self.rng.permutation(len(SPELLINGS))
        return [self._game(season, day, home, away) for home, away in zip(order[::2], order[1::2], strict=True)]

    def _game(self, season: int, day: date, home: int, away: int) -> dict[str, Any]:
        margin = round(self.strengths[home] - self.strengths[away] + 3 + self.rng.normal(0, 11))
        margin = margin or 1
        names = {"home": SPELLINGS[home], "away": SPELLINGS[away]}
        return a_result(season=season, date=str(day), score_home=105 + margin, score_away=105, **names)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
