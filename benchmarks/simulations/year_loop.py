"""A simulated year of weekly retrainings: gates, rollouts in shadow and tests of harm decide what goes live.

Rows come every week. The newest weeks of the window test, the others fit the evaluation model, and all of them fit the
model that ships. The true loss of every model is known, so that each move of Production can be evaluated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Literal

import numpy as np

from touchline.registry import Evidence, Gate, Look, ReferenceModel, RefreshEvidence, check_gates
from touchline.registry.gates.evidence import NO_LOOK
from touchline.statistics import (
    AlphaBudget,
    Gains,
    HarmRule,
    HarmTest,
    TwoWitnesses,
    WitnessRule,
    decide_at_end,
    paired_gains,
)

from .year import FULL, PLAIN, RIVAL, TEST, WEEKS, WINDOW, Array, Columns, Stream, World

MARGIN = 0.01
GATES = (Gate.improves("log_loss", margin=MARGIN),)
LONGEST_ROLLOUT = 12
_INCIDENTS = 4

# What a rollout of a change must show after its gate has shown it better on past rows.
Claim = Literal["better", "not_worse"]


@dataclass
class Year:
    """What happened to Production in a year. `harmful` counts moves to a model worse by more than the margin.

    `waited` counts refreshes that were left out while a change was rolled out.
    """

    moves: int = 0
    harmful: int = 0
    arrival: int | None = None
    gate_passed: int | None = None
    changes: int = 0
    refreshes: int = 0
    passed: int = 0
    waited: int = 0
    rollbacks: int = 0
    false_rollbacks: int = 0
    loss: list[float] = field(default_factory=list)
    ungated_loss: list[float] = field(default_factory=list)
    stale_loss: list[float] = field(default_factory=list)


@dataclass
class Shadow:
    """A change that predicts in shadow: its recipe, its model and the evidence so far."""

    columns: Columns
    model: Array
    began: int
    state: TwoWitnesses


class Loop:
    """Production with its predecessor, the budget of looks, and a rollout where there is one."""

    def __init__(self, stream: Stream, year: Year, columns: Columns, claim: Claim = "not_worse") -> None:
        self.stream, self.year, self.columns, self.claim = stream, year, columns, claim
        self.trained = WINDOW - 1
        self.model = stream.fit(stream.between(0, self.trained), columns)
        self.budget, self.looks, self.seen = AlphaBudget(), 0, 0
        self.predecessor: tuple[Array, Columns, int] | None = None
        self.harm = HarmTest.start(HarmRule())
        self.shadow: Shadow | None = None

    def live(self, week: int) -> None:
        """The outcomes of a week: the test of harm, which rolls back, and the rollout, which promotes or ends."""
        if self.predecessor is not None:
            self.harm = self.harm.update(self._gains(week, self.model, self.predecessor[0]))
        if self.shadow is not None:
            self.shadow.state = self.shadow.state.update(self._gains(week, self.shadow.model, self.model))
        if self.harm.is_harmful and self.predecessor is not None:
            model, columns, trained = self.predecessor
            self.year.rollbacks += 1
            truth = self.stream.true_loss
            self.year.false_rollbacks += truth(self.model, week) <= truth(model, week)
            self._move(week, model, columns, trained)
            # The way back has no predecessor to return to, and a rollout against the model that left ends.
            self.predecessor = self.shadow = None
        self._end_rollout(week + 1)

    def change(self, week: int, columns: Columns) -> bool:
        """Train another recipe at the start of a week; whether its rollout began."""
        if self.shadow is not None:
            return False
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
        self.year.gate_passed = self.year.gate_passed or week - WINDOW + 1
        model = stream.fit(stream.between(week - WINDOW, week), columns)
        rule = WitnessRule(margin=MARGIN, target=stream.world.rows * LONGEST_ROLLOUT // 2)
        self.shadow = Shadow(columns, model, week, TwoWitnesses.start(rule))
        return True

    def refresh(self, week: int, *, shuffled: bool = False) -> bool:
        """Train Production's recipe again at the start of a week; whether it went live. Beside a rollout it waits."""
        if self.shadow is not None:
            self.year.waited += 1
            return False
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
        self._move(week, model, self.columns, week)
        return True

    def _end_rollout(self, week: int) -> None:
        shadow = self.shadow
        if shadow is None:
            return
        is_over = week - shadow.began >= LONGEST_ROLLOUT
        end = decide_at_end(shadow.state)
        is_shown = shadow.state.verdict == "better" or (is_over and end.verdict == "better")
        if self.claim == "not_worse":
            is_shown |= shadow.state.is_shown("not_worse") or (is_over and end.low > -MARGIN)
        if is_shown:
            self.year.changes += 1
            self._move(week, shadow.model, shadow.columns, shadow.began)
        if is_shown or is_over or shadow.state.verdict == "worse":
            self.shadow = None

    def _gains(self, week: int, new: Array, old: Array) -> Gains:
        outcomes = self.stream.y[self.stream.between(week, week + 1)]
        return paired_gains(self.stream.serve(new, week), self.stream.serve(old, week), outcomes)

    def _move(self, week: int, model: Array, columns: Columns, trained: int) -> None:
        worse_by = self.stream.true_loss(model, week) - self.stream.true_loss(self.model, week)
        self.year.moves += 1
        self.year.harmful += worse_by > MARGIN
        self.predecessor = (self.model, self.columns, self.trained)
        self.harm = HarmTest.start(HarmRule(target=4 * self.stream.world.rows))
        self.model, self.columns, self.trained = model, columns, trained


def changes_and_incidents(world: World, claim: Claim, seed: int, run: int) -> Year:
    """Every second week somebody proposes the recipe without feature 5; a few refreshes are spoilt."""
    stream, year = Stream(world, np.random.default_rng([seed, run])), Year()
    incidents = set(stream.rng.choice(np.arange(0, WEEKS, 2), _INCIDENTS, replace=False).tolist())
    loop = Loop(stream, year, FULL, claim)
    for number in range(WEEKS):
        if number % 2:
            loop.change(WINDOW + number, PLAIN)
        else:
            loop.refresh(WINDOW + number, shuffled=number in incidents)
        loop.live(WINDOW + number)
    return year


@dataclass(frozen=True)
class OtherRecipe:
    """Another recipe is trained every week, and Production is refreshed every week; it may end when that is live."""

    columns: Columns
    until_live: bool
    start: Columns = PLAIN

    def __call__(self, world: World, claim: Claim, seed: int, run: int) -> Year:
        stream, year = Stream(world, np.random.default_rng([seed, run])), Year()
        loop = Loop(stream, year, self.start, claim)
        for number in range(WEEKS):
            if loop.columns == self.start:
                loop.change(WINDOW + number, self.columns)
            loop.refresh(WINDOW + number)
            loop.live(WINDOW + number)
            if loop.columns == self.columns and year.arrival is None:
                year.arrival = number + 1
                if self.until_live:
                    break
        return year


@dataclass(frozen=True)
class DriftingWorld:
    """The weights turn, and Production is refreshed every week; a `proposed` recipe is trained until it is live."""

    start: Columns = FULL
    proposed: Columns | None = None

    def __call__(self, world: World, claim: Claim, seed: int, run: int) -> Year:
        stream, year = Stream(world, np.random.default_rng([seed, run])), Year()
        loop = Loop(stream, year, self.start, claim)
        never = loop.model
        for number in range(WEEKS):
            week = WINDOW + number
            if self.proposed is not None and loop.columns != self.proposed:
                loop.change(week, self.proposed)
            loop.refresh(week)
            ungated = stream.fit(stream.between(week - WINDOW, week), loop.columns)
            year.loss.append(stream.true_loss(loop.model, week))
            year.ungated_loss.append(stream.true_loss(ungated, week))
            year.stale_loss.append(stream.true_loss(never, week))
            loop.live(week)
        return year


Simulation = Callable[[World, Claim, int, int], Year]
BETTER_RECIPE = OtherRecipe(FULL, until_live=True)
EQUAL_RECIPE = OtherRecipe(RIVAL, until_live=False, start=FULL)
SKEWED_RECIPE = OtherRecipe(FULL, until_live=False)
DRIFTING_WORLD = DriftingWorld()
BETTER_BESIDE_DRIFT = DriftingWorld(PLAIN, proposed=FULL)


def years(simulate: Simulation, world: World, *, runs: int, seed: int, claim: Claim = "not_worse") -> list[Year]:
    """Run n is the same whatever the number of runs."""
    return [simulate(world, claim, seed, run) for run in range(runs)]


def years_on_all_cores(
    simulate: Simulation, world: World, *, runs: int, seed: int, claim: Claim = "not_worse"
) -> list[Year]:
    """`years` in one process a core, with the same findings."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(simulate, world, claim, seed), range(runs), chunksize=5))


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
