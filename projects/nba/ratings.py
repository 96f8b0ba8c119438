"""Strength of each team after each of its games: a Kalman filter on margins, and Elo by FiveThirtyEight's rules.

The filter's state is one strength a team, in points, plus the home advantage, its addition in the play-offs, and the
cost of playing on two days in a row. Strengths drift from day to day and move towards the mean between seasons. It
knows a game's margin only once the game is over, so a row may be used from that instant on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .transforms import CARRY_OVER, ELO_CARRY_OVER, ELO_HOME, ELO_MEAN

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Game:
    """A played game: day number, season, teams as numbers, margin of the home side."""

    day: int
    season: int
    home: int
    away: int
    margin: int
    is_neutral: bool = False
    is_playoff: bool = False
    is_home_tired: bool = False
    is_away_tired: bool = False


@dataclass(frozen=True)
class Prior:
    """The variances of the filter. Chosen on the log loss of the seasons up to 2019."""

    daily: float = 0.03
    carry_over: float = CARRY_OVER
    new_season: float = 0.6
    team: float = 30.0
    margin: float = 110.0
    home_daily: float = 0.0005
    # A margin this far from the expected one tells little more than a smaller one.
    longest_surprise: float = 25.0


@dataclass
class StrengthFilter:
    """Strengths of `teams` teams, updated game by game."""

    teams: int
    prior: Prior = field(default_factory=Prior)
    season: int = 0
    day: int = 0

    def __post_init__(self) -> None:
        self.mean: Vector = np.array([0.0] * self.teams + [3.0, 0.0, -1.5])
        self.covariance: Vector = np.diag([self.prior.team] * self.teams + [4.0, 1.0, 1.0])
        self._each = np.arange(self.teams)

    @property
    def home_advantage(self) -> float:
        """Points that the home side is worth now."""
        return float(self.mean[self.teams])

    @property
    def playoff_advantage(self) -> float:
        """Points that the home side is worth beyond that in the play-offs."""
        return float(self.mean[self.teams + 1])

    @property
    def tired_points(self) -> float:
        """Points that a side gains by having played the day before: below 0."""
        return float(self.mean[self.teams + 2])

    def variance(self, team: int) -> float:
        """How uncertain a strength is, in points squared."""
        return float(self.covariance[team, team])

    def update(self, game: Game) -> None:
        """Learn from one game; games come in time order."""
        self._move_to(game)
        used = np.array([game.home, game.away, self.teams, self.teams + 1, self.teams + 2])
        at_home, tired = float(not game.is_neutral), float(game.is_home_tired) - float(game.is_away_tired)
        load = np.array([1.0, -1.0, at_home, at_home * game.is_playoff, tired])
        spread = self.covariance[:, used] @ load
        variance = load @ spread[used] + self.prior.margin
        limit = self.prior.longest_surprise
        surprise = limit * np.tanh((game.margin - load @ self.mean[used]) / limit)
        self.mean += spread * (surprise / variance)
        self.covariance -= np.outer(spread, spread / variance)

    def _move_to(self, game: Game) -> None:
        if game.season != self.season:
            self._begin(game.season)
        elif game.day > self.day:
            days = min(game.day - self.day, 10)
            self.covariance[self._each, self._each] += self.prior.daily * days
            self.covariance[self.teams, self.teams] += self.prior.home_daily * days
            self.mean[: self.teams] -= self.mean[: self.teams].mean()
        self.day = game.day

    def _begin(self, season: int) -> None:
        share, teams = self.prior.carry_over, self.teams
        if self.season:
            self.mean[:teams] *= share
            self.covariance[:teams, :] *= share
            self.covariance[:, :teams] *= share
            self.covariance[self._each, self._each] += self.prior.team * (1 - share**2) * self.prior.new_season
            self.covariance[teams, teams] += 0.02
        self.season = season


@dataclass
class Elo:
    """Elo with the margin of victory and 75 % carried over between seasons, as FiveThirtyEight published it."""

    teams: int
    season: int = 0

    def __post_init__(self) -> None:
        self.rating: Vector = np.full(self.teams, ELO_MEAN)

    def update(self, game: Game) -> None:
        """Learn from one game; games come in time order."""
        if self.season and game.season != self.season:
            self.rating = ELO_MEAN + ELO_CARRY_OVER * (self.rating - ELO_MEAN)
        self.season = game.season
        gap = self.rating[game.home] - self.rating[game.away] + (0.0 if game.is_neutral else ELO_HOME)
        winner_gap = gap if game.margin > 0 else -gap
        step = 20 * (abs(game.margin) + 3) ** 0.8 / (7.5 + 0.006 * winner_gap)
        change = step * (float(game.margin > 0) - 1 / (1 + 10 ** (-gap / 400)))
        self.rating[game.home] += change
        self.rating[game.away] -= change


RATINGS: Final = (
    "strength",
    "strength_variance",
    "strength_fast",
    "elo",
    "home_advantage",
    "playoff_advantage",
    "tired_points",
)


def ratings_after(games: Sequence[Game], teams: int) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """The columns `RATINGS` of the home and the away team after each game."""
    slow, fast, elo = StrengthFilter(teams), StrengthFilter(teams, Prior(daily=0.1)), Elo(teams)
    for game in games:
        for model in (slow, fast, elo):
            model.update(game)
        home, away = (
            (
                float(slow.mean[team]),
                slow.variance(team),
                float(fast.mean[team]),
                float(elo.rating[team]),
                slow.home_advantage,
                slow.playoff_advantage,
                slow.tired_points,
            )
            for team in (game.home, game.away)
        )
        yield home, away
