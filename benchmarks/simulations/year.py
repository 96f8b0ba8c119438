"""A simulated year of weekly retrainings: logistic models on a moving window, promoted by the real gates.

Rows come every week. The newest weeks of the window test, the others fit the evaluation model, and all of them fit the
model that ships. The true loss of every model is known, so that each move of Production can be evaluated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from touchline.registry import Evidence, Gate, Look, ReferenceModel, RefreshEvidence, check_gates
from touchline.registry.gates.evidence import NO_LOOK
from touchline.statistics import AlphaBudget

Array = NDArray[np.float64]
MARGIN = 0.01
GATES = (Gate.improves("log_loss", margin=MARGIN),)
WEEKS, WINDOW, TEST = 52, 40, 10
_COMMON = np.array([0.2, 0.6, -0.5, 0.4, 0.3])  # an intercept and the features that every recipe has
_INCIDENTS = 4


@dataclass(frozen=True)
class World:
    """How many rows a week brings, what the last feature is worth in log loss, and how fast the weights turn."""

    rows: int = 120
    worth: float = 0.01
    drift: float = 0.0


@dataclass
class Year:
    """What happened to Production in a year. `harmful` counts moves to a model worse by more than the margin."""

    moves: int = 0
    harmful: int = 0
    arrival: int | None = None
    refreshes: int = 0
    passed: int = 0
    loss: list[float] = field(default_factory=list)
    ungated_loss: list[float] = field(default_factory=list)
    stale_loss: list[float] = field(default_factory=list)


class Stream:
    """The rows of all weeks, the fits on parts of them and the true losses."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.world, self.rng = world, rng
        weeks = WINDOW + WEEKS
        self.week = np.repeat(np.arange(weeks), world.rows)
        self.x = np.column_stack([np.ones(len(self.week)), rng.normal(size=(len(self.week), len(_COMMON)))])
        self.weights = np.array([self._weights(week) for week in range(weeks + 1)])
        truth = expit((self.x * self.weights[self.week]).sum(axis=1))
        self.y = (rng.random(len(truth)) < truth).astype(np.float64)

    def _weights(self, week: int) -> Array:
        angle = self.world.drift * max(0, week - WINDOW)
        turned = _COMMON.copy()
        turned[1] = _COMMON[1] * np.cos(angle) - _COMMON[2] * np.sin(angle)
        turned[2] = _COMMON[1] * np.sin(angle) + _COMMON[2] * np.cos(angle)
        return np.append(turned, weight_worth(self.world.worth))

    def between(self, first: int, end: int) -> NDArray[np.bool_]:
        return (self.week >= first) & (self.week < end)

    def fit(self, rows: NDArray[np.bool_], columns: int, *, shuffled: bool = False) -> Array:
        """Weights of the recipe that reads the first columns; `shuffled` spoils the labels of every second row."""
        y = self.y[rows].copy()
        if shuffled:
            y[::2] = self.rng.permutation(y[::2])
        return np.append(_fit(self.x[rows, :columns], y), np.zeros(self.x.shape[1] - columns))

    def predict(self, model: Array, rows: NDArray[np.bool_]) -> Array:
        positive = expit(self.x[rows] @ model)
        return np.column_stack([1 - positive, positive])

    def true_loss(self, model: Array, week: int) -> float:
        return _expected_loss(expit(_population() @ self.weights[week]), _population() @ model)


def changes_and_incidents(world: World, seed: int, run: int) -> Year:
    """Every second week somebody proposes the recipe without the last feature; a few refreshes are spoilt."""
    stream, year = Stream(world, np.random.default_rng([seed, run])), Year()
    incidents = set(stream.rng.choice(np.arange(0, WEEKS, 2), _INCIDENTS, replace=False).tolist())
    full = stream.x.shape[1]
    loop = Loop(stream, year, full)
    for number in range(WEEKS):
        if number % 2:
            loop.change(WINDOW + number, full - 1)
        else:
            loop.refresh(WINDOW + number, shuffled=number in incidents)
    return year


def better_recipe(world: World, seed: int, run: int) -> Year:
    """The recipe with the last feature is trained every week; Production lacks it."""
    stream, year = Stream(world, np.random.default_rng([seed, run])), Year()
    full = stream.x.shape[1]
    loop = Loop(stream, year, full - 1)
    for number in range(WEEKS):
        if loop.change(WINDOW + number, full):
            year.arrival = number + 1
            break
    return year


def drifting_world(world: World, seed: int, run: int) -> Year:
    """The same recipe every week, while the weights turn."""
    stream, year = Stream(world, np.random.default_rng([seed, run])), Year()
    full = stream.x.shape[1]
    loop = Loop(stream, year, full)
    never = loop.model
    for number in range(WEEKS):
        week = WINDOW + number
        loop.refresh(week)
        ungated = stream.fit(stream.between(week - WINDOW, week), full)
        year.loss.append(stream.true_loss(loop.model, week))
        year.ungated_loss.append(stream.true_loss(ungated, week))
        year.stale_loss.append(stream.true_loss(never, week))
    return year


class Loop:
    """Production, the budget of looks, and the two kinds of decisions."""

    def __init__(self, stream: Stream, year: Year, columns: int) -> None:
        self.stream, self.year, self.columns = stream, year, columns
        self.trained = WINDOW - 1
        self.model = stream.fit(stream.between(0, self.trained), columns)
        self.budget, self.looks, self.seen = AlphaBudget(), 0, 0

    def change(self, week: int, columns: int) -> bool:
        """Train another recipe at the start of a week; whether it went live."""
        stream = self.stream
        known, test = stream.between(week - WINDOW, week - TEST), stream.between(week - TEST, week)
        fresh = (min(week - self.seen, TEST)) / TEST
        share, self.budget = self.budget.look(fresh)
        self.looks, self.seen = self.looks + 1, week
        evidence = _evidence(
            stream.y[test],
            stream.predict(stream.fit(known, columns), test),
            production=ReferenceModel("Production", stream.predict(stream.fit(known, self.columns), test)),
            look=Look(self.looks, share, fresh),
        )
        if not check_gates(GATES, evidence).passed:
            return False
        self._move(week, stream.fit(stream.between(week - WINDOW, week), columns), columns)
        return True

    def refresh(self, week: int, *, shuffled: bool = False) -> bool:
        """Train Production's recipe again at the start of a week; whether it went live."""
        stream, window = self.stream, self.stream.between(week - WINDOW, week)
        start = max(self.trained, week - TEST)
        fresh, newest = stream.between(start, week), stream.between(week - TEST, week)
        twin = stream.fit(stream.between(week - WINDOW, start), self.columns, shuffled=shuffled)
        model = stream.fit(window, self.columns, shuffled=shuffled)
        evidence = _evidence(
            stream.y[newest],
            stream.predict(twin, newest),
            look=NO_LOOK,
            refresh=RefreshEvidence(
                labels=stream.y[fresh],
                predictions=stream.predict(twin, fresh),
                production=ReferenceModel("Production", stream.predict(self.model, fresh)),
                clusters=np.arange(int(fresh.sum())),
                newest=stream.predict(model, newest)[-500:],
                newest_production=stream.predict(self.model, newest)[-500:],
            ),
        )
        self.year.refreshes += 1
        if not check_gates(GATES, evidence).passed:
            return False
        self.year.passed += 1
        self._move(week, model, self.columns)
        return True

    def _move(self, week: int, model: Array, columns: int) -> None:
        worse_by = self.stream.true_loss(model, week) - self.stream.true_loss(self.model, week)
        self.year.moves += 1
        self.year.harmful += worse_by > MARGIN
        self.model, self.columns, self.trained = model, columns, week


Simulation = Callable[[World, int, int], Year]


def years(simulate: Simulation, world: World, *, runs: int, seed: int) -> list[Year]:
    """Run n is the same whatever the number of runs."""
    return [simulate(world, seed, run) for run in range(runs)]


def years_on_all_cores(
    simulate: Callable[[World, int, int], Year], world: World, *, runs: int, seed: int
) -> list[Year]:
    """`years` in one process a core, with the same findings."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(simulate, world, seed), range(runs), chunksize=5))


@cache
def weight_worth(gain: float) -> float:
    """The weight of the last feature without which the best model loses this much log loss."""
    low, high = 0.0, 2.0
    for _ in range(30):
        middle = (low + high) / 2
        truth = expit(_population() @ np.append(_COMMON, middle))
        without = _population()[:, :-1] @ _fit(_population()[:, :-1], truth)
        loss = _expected_loss(truth, without) - _expected_loss(truth, _population() @ np.append(_COMMON, middle))
        low, high = (middle, high) if loss < gain else (low, middle)
    return low


@cache
def _population() -> Array:
    rng = np.random.default_rng(0)
    return np.column_stack([np.ones(20_000), rng.normal(size=(20_000, len(_COMMON)))])


def _expected_loss(truth: Array, logits: Array) -> float:
    return float((np.logaddexp(0, logits) - truth * logits).mean())


def _fit(x: Array, y: Array) -> Array:
    """Logistic regression by Newton's method, with a ridge of 1."""
    weights = np.zeros(x.shape[1])
    for _ in range(7):
        p = expit(x @ weights)
        curvature = x.T @ (x * (p * (1 - p))[:, None]) + np.eye(x.shape[1])
        weights = weights + np.linalg.solve(curvature, x.T @ (y - p) - weights)
    return weights


def _evidence(labels: Array, predictions: Array, **more: object) -> Evidence:
    return Evidence(
        project="simulated",
        version=1,
        metrics={},
        labels=labels,
        predictions=predictions,
        clusters=np.arange(len(labels)),
        **more,  # type: ignore[arg-type]
    )
