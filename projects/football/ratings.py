"""Elo ratings of teams, match by match.

The update is Elo's (1978) with a home advantage added to the expectation and the step scaled by the
margin, as World Football Elo does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import log1p

START = 1500.0
STEP = 20.0
HOME_ADVANTAGE = 65.0


def elo_after_each_match(matches: Iterable[tuple[str, str, int, int]]) -> list[tuple[float, float]]:
    """Ratings of home and away team after each match; matches come as (home, away, goals, goals) in time order.

    >>> elo_after_each_match([("A", "B", 1, 1)])
    [(1498.15, 1501.85)]
    """
    ratings: defaultdict[str, float] = defaultdict(lambda: START)
    after = []
    for home, away, home_goals, away_goals in matches:
        expected = 1 / (1 + 10 ** ((ratings[away] - ratings[home] - HOME_ADVANTAGE) / 400))
        achieved = 0.5 if home_goals == away_goals else float(home_goals > away_goals)
        change = STEP * (1 + log1p(abs(home_goals - away_goals)) / 2) * (achieved - expected)
        ratings[home] += change
        ratings[away] -= change
        after.append((round(ratings[home], 2), round(ratings[away], 2)))
    return after
