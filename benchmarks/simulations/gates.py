"""Simulated versions for the gates: match days of matches with three outcomes, two models that err by known amounts."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from touchline.registry import Evidence, Gate, Look, ReferenceModel, check_gate
from touchline.statistics import AlphaBudget

Array = NDArray[np.float64]
GATE = Gate.improves("log_loss", confidence=0.95)


@dataclass(frozen=True)
class World:
    """Match days in the test window, how much days resemble their neighbours, and how far each model errs."""

    days: int = 120
    rho: float = 0.3
    candidate: float = 0.5
    production: float = 0.5


@dataclass(frozen=True)
class Judged:
    """Of how many runs the naive rule and the gate promoted the candidate, and how many looks each run had."""

    runs: int
    naive: int
    gate: int


def evidence(world: World, rng: np.random.Generator, *, candidates: int = 1) -> list[Evidence]:
    """Several candidates judged on ONE test window against ONE Production, the k-th at its k-th look."""
    clusters = np.repeat(np.arange(world.days), rng.integers(3, 11, world.days))
    truth = rng.normal(0, 0.6, (len(clusters), 3))
    labels = (softmax(truth, axis=1).cumsum(axis=1) < rng.random((len(clusters), 1))).sum(axis=1).clip(max=2)
    production = _said(world, rng, truth, clusters, world.production)
    looks, budget = [], AlphaBudget()
    for number in range(1, candidates + 1):
        share, budget = budget.look(1.0 if number == 1 else 0.0)
        looks.append(Look(number, share))
    return [
        Evidence(
            project="simulated",
            version=look.number,
            metrics={},
            labels=labels.astype(np.float64),
            predictions=_said(world, rng, truth, clusters, world.candidate),
            clusters=clusters,
            production=ReferenceModel("Production", production),
            look=look,
        )
        for look in looks
    ]


def _said(world: World, rng: np.random.Generator, truth: Array, clusters: NDArray[np.int64], error: float) -> Array:
    """Probabilities of a model whose logits err half by match and half by day, days following each other."""
    by_day = rng.normal(size=(world.days, 3))
    for day in range(1, world.days):
        by_day[day] = world.rho * by_day[day - 1] + np.sqrt(1 - world.rho**2) * by_day[day]
    noise = np.sqrt(0.5) * (by_day[clusters] + rng.normal(size=truth.shape))
    return np.asarray(softmax(truth + error * noise, axis=1))


def judge(world: World, *, runs: int, seed: int, candidates: int = 1) -> Judged:
    """How often "lower mean wins" and the gate promote: any of the candidates counts, as it would in practice.

    Run n is the same whatever the number of runs.
    """
    return _counted([_run(world, seed, candidates, run) for run in range(runs)])


def judge_on_all_cores(world: World, *, runs: int, seed: int, candidates: int = 1) -> Judged:
    """`judge` in one process a core, with the same findings."""
    # Not forked: libraries below have threads, which a fork would leave behind in the middle of something.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return _counted(list(pool.map(partial(_run, world, seed, candidates), range(runs), chunksize=10)))


def _run(world: World, seed: int, candidates: int, run: int) -> tuple[bool, bool]:
    judged = evidence(world, np.random.default_rng([seed, run]), candidates=candidates)
    return any(_lower_mean(found) for found in judged), any(check_gate(GATE, found).passed for found in judged)


def _counted(found: list[tuple[bool, bool]]) -> Judged:
    return Judged(len(found), sum(naive for naive, _ in found), sum(gate for _, gate in found))


def _lower_mean(found: Evidence) -> bool:
    rows, labels = np.arange(found.rows), found.labels.astype(np.int64)
    assert found.production is not None
    ours, theirs = found.predictions[rows, labels], found.production.predictions[rows, labels]
    return bool(-np.log(ours).mean() < -np.log(theirs).mean())
