"""Elo ratings of teams, match by match.

The update is Elo's (1978) with a home advantage added to the expectation and the step scaled by the
margin, as World Football Elo does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log1p

START = 1500.0
STEP = 20.0
HOME_ADVANTAGE = 65.0
Match = tuple[str, str, int, int]


@dataclass
class _Course:
    """The matches that were rated, the ratings after each, and those of all teams now."""

    matches: list[Match] = field(default_factory=list)
    after: list[tuple[float, float]] = field(default_factory=list)
    ratings: dict[str, float] = field(default_factory=dict)

    def add(self, matches: list[Match]) -> None:
        ratings = self.ratings
        for home, away, home_goals, away_goals in matches:
            own, other = ratings.get(home, START), ratings.get(away, START)
            expected = 1 / (1 + 10 ** ((other - own - HOME_ADVANTAGE) / 400))
            achieved = 0.5 if home_goals == away_goals else float(home_goals > away_goals)
            change = STEP * (1 + log1p(abs(home_goals - away_goals)) / 2) * (achieved - expected)
            ratings[home], ratings[away] = own + change, other - change
            self.after.append((round(ratings[home], 2), round(ratings[away], 2)))
        self.matches += matches


# The newest course, in this process alone: an ingest adds a few matches to ten thousand.
_newest = _Course()


def elo_after_each_match(matches: Iterable[Match]) -> list[tuple[float, float]]:
    """Ratings of home and away team after each match; matches come as (home, away, goals, goals) in time order.

    >>> elo_after_each_match([("A", "B", 1, 1)])
    [(1498.15, 1501.85)]
    """
    global _newest
    rated = list(matches)
    if rated[: len(_newest.matches)] != _newest.matches:
        _newest = _Course()
    course = _Course(list(_newest.matches), list(_newest.after), dict(_newest.ratings))
    course.add(rated[len(course.matches) :])
    _newest = course
    return list(course.after)
