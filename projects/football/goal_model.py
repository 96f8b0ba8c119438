"""Attack and defence of teams from goals: a Poisson model with time decay, as of Dixon and Coles (1997).

The log of the goals that a team is expected to score is

    intercept + home advantage + attack(team) - defence(opponent)

Matches count less with age (exponential decay). Teams of all divisions of a country are fitted together: who is
promoted has met teams that others have met. Attack and defence are shrunk towards the mean of the team's current
division (a ridge, that is the prior of a hierarchical model as in Baio and Blangiardo 2010), so that few matches say
little. The dependence of low scores (`rho`) is Dixon and Coles' own. A fit starts from the last one and takes two or
three Newton steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]

_NEWTON_STEPS = 12
# A thousandth of a log rate: far below what a week of matches moves.
_TOLERANCE = 1e-3
# The means of divisions are hardly shrunk.
_DIVISION_RIDGE = 0.5


@dataclass(frozen=True)
class Prior:
    """How fast matches lose weight, and how strongly teams are drawn to the mean of their division."""

    half_life_days: float = 365.0
    ridge: float = 6.0
    rho_ridge: float = 200.0


@dataclass(frozen=True)
class Matches:
    """Matches in time order: places of teams and divisions, goals of each side (or a blend with shots), and the day."""

    home: Places
    away: Places
    division: Places
    home_scored: Array
    away_scored: Array
    day: Array

    def __len__(self) -> int:
        return len(self.home)

    def before(self, day: float, *, since: float) -> Matches:
        """The matches of the days from `since` up to, not including, `day`."""
        first, last = np.searchsorted(self.day, [since, day], side="left")
        cut = slice(int(first), int(last))
        return Matches(
            self.home[cut],
            self.away[cut],
            self.division[cut],
            self.home_scored[cut],
            self.away_scored[cut],
            self.day[cut],
        )

    def is_start_of(self, longer: Matches) -> bool:
        """Whether the first matches of a longer table are these."""
        return all(
            np.array_equal(mine, theirs[: len(self)], equal_nan=mine.dtype.kind == "f")
            for mine, theirs in zip(vars(self).values(), vars(longer).values(), strict=True)
        )


@dataclass(frozen=True)
class _Pairs:
    """The pairs of numbers that share a row, as places in the upper half of the Hessian: the same in each step."""

    places: Places
    products: Array
    size: int

    @classmethod
    def of(cls, columns: Places, values: Array, size: int) -> _Pairs:
        upper = [(one, other) for one in range(columns.shape[1]) for other in range(one, columns.shape[1])]
        places = np.stack([columns[:, one] * size + columns[:, other] for one, other in upper])
        return cls(places.ravel(), np.stack([values[:, one] * values[:, other] for one, other in upper]), size)

    def hessian(self, weights: Array) -> Array:
        flat = np.bincount(self.places, (self.products * weights).ravel(), minlength=self.size**2)
        upper = flat.reshape(self.size, self.size)
        # Columns of a row are in growing order, so that no pair lies below the diagonal.
        return np.asarray(upper + np.triu(upper, 1).T)


@dataclass(frozen=True)
class Design:
    """The numbers that each side's rate is made of, with their signs: the same for all models of the same matches."""

    columns: Places
    values: Array
    pairs: _Pairs
    current: Places

    @classmethod
    def of(cls, matches: Matches, divisions: int, last: Places) -> Design:
        """`last` is the division of each team before; the newest of these matches says where it is now."""
        current, teams = last.copy(), len(last)
        current[matches.away] = matches.division
        current[matches.home] = matches.division
        attacker = np.concatenate([matches.home, matches.away])
        defender = np.concatenate([matches.away, matches.home])
        first = 2 + 2 * divisions
        columns = np.empty((len(attacker), 6), dtype=np.int64)
        columns[:, 0], columns[:, 1] = 0, 1
        columns[:, 2], columns[:, 3] = 2 + current[attacker], 2 + divisions + current[defender]
        columns[:, 4], columns[:, 5] = first + attacker, first + teams + defender
        values = np.tile([1.0, 1.0, 1.0, -1.0, 1.0, -1.0], (len(attacker), 1))
        values[len(matches) :, 1] = 0.0  # the side that is not at home
        return cls(columns, values, _Pairs.of(columns, values, first + 2 * teams), current)


@dataclass
class GoalModel:
    """The fitted numbers of one country: intercept, home advantage, attack and defence of each team, rho."""

    teams: int
    divisions: int
    prior: Prior = field(default_factory=Prior)

    def __post_init__(self) -> None:
        # intercept, home, attack and defence of each division, then of each team as deviations
        self.numbers = np.zeros(2 + 2 * self.divisions + 2 * self.teams)
        self.numbers[:2] = (0.1, 0.3)
        self.rho = -0.05
        self.current = np.zeros(self.teams, dtype=np.int64)

    @property
    def attack(self) -> Array:
        """Attack of each team, the mean of its division included."""
        first = 2 + 2 * self.divisions
        return np.asarray(self.numbers[2 : 2 + self.divisions][self.current] + self.numbers[first : first + self.teams])

    @property
    def defence(self) -> Array:
        first = 2 + 2 * self.divisions + self.teams
        return np.asarray(
            self.numbers[2 + self.divisions : 2 + 2 * self.divisions][self.current] + self.numbers[first:]
        )

    @property
    def intercept(self) -> float:
        return float(self.numbers[0])

    @property
    def home_advantage(self) -> float:
        return float(self.numbers[1])

    def expected(self, home: Places, away: Places) -> tuple[Array, Array]:
        """The goals that each side is expected to score."""
        attack, defence = self.attack, self.defence
        home_goals = np.exp(self.intercept + self.home_advantage + attack[home] - defence[away])
        return home_goals, np.exp(self.intercept + attack[away] - defence[home])

    def design(self, matches: Matches) -> Design:
        """The design of these matches, for `fit`; models of the same matches share it."""
        return Design.of(matches, self.divisions, self.current)

    def fit(self, matches: Matches, *, day: float, design: Design | None = None) -> None:
        """Fit on matches that were over before `day`. Newton's method with the exact gradient and Hessian."""
        if not len(matches):
            return
        design = design or self.design(matches)
        self.current = design.current
        weights = np.exp2(-(day - matches.day) / self.prior.half_life_days)
        scored = np.concatenate([matches.home_scored, matches.away_scored])
        both = np.concatenate([weights, weights])
        penalty = self._penalty()
        columns, values = design.columns, design.values
        for _ in range(_NEWTON_STEPS):
            rates = np.exp(np.clip((self.numbers[columns] * values).sum(axis=1), -5, 3))
            pulls = (both * (scored - rates))[:, None] * values
            gradient = np.bincount(columns.ravel(), pulls.ravel(), minlength=len(penalty)) - penalty * self.numbers
            hessian = design.pairs.hessian(both * rates)
            hessian[np.diag_indices(len(penalty))] += penalty
            step = np.linalg.solve(hessian, gradient)
            self.numbers += step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))
            if np.abs(step).max() < _TOLERANCE:
                break
        self._fit_rho(matches, weights)

    def _penalty(self) -> Array:
        penalty = np.full(len(self.numbers), float(self.prior.ridge))
        penalty[:2] = 1e-6
        penalty[2 : 2 + 2 * self.divisions] = _DIVISION_RIDGE
        return penalty

    def _fit_rho(self, matches: Matches, weights: Array) -> None:
        """Rho by Newton steps on the log of the low scores' factors, shrunk towards the last value."""
        home_rate, away_rate = self.expected(matches.home, matches.away)
        slopes = _rho_slopes(matches.home_scored, matches.away_scored, home_rate, away_rate)
        start = self.rho
        for _ in range(5):
            inside = np.maximum(1.0 + slopes * self.rho, 1e-3)
            gradient = (weights * slopes / inside).sum() - self.prior.rho_ridge * (self.rho - start)
            curvature = (weights * (slopes / inside) ** 2).sum() + self.prior.rho_ridge
            self.rho = float(np.clip(self.rho + gradient / curvature, -0.2, 0.1))


def _rho_slopes(home: Array, away: Array, home_rate: Array, away_rate: Array) -> Array:
    """The factor of a score is 1 + slope * rho; 0 for scores above 1."""
    slopes = np.zeros(len(home))
    for h, a, value in (
        (0, 0, -home_rate * away_rate),
        (0, 1, home_rate),
        (1, 0, away_rate),
        (1, 1, -np.ones(len(home))),
    ):
        slopes = np.where((home == h) & (away == a), value, slopes)
    return slopes
