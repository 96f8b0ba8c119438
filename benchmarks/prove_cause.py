"""Prove by injected faults that the cause of a risen loss is named: the fault first in 80 %, among three in 95 %.

    python benchmarks/prove_cause.py --runs 50
    python benchmarks/prove_cause.py --runs 50 --results FILE --only unit_change stuck_sensor    # in parts

Twenty columns in four sources of five, 4,000 reference rows and 2,000 rows with the fault, a model of gradient boosted
trees that has seen neither. `make prove` runs it; a share below its bar by three standard errors is an exit code of 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from simulations.stored_results import StoredResults, add_results_options
from touchline.monitoring import Cause, CauseModel, LossWindow, explain_loss
from touchline.statistics import build_profile, check_columns, estimate_prior_shift, with_prior

Array = NDArray[np.float64]
COLUMNS = [f"c{place}" for place in range(20)]
CATEGORY = "c4"
LEVELS = ("a", "b", "c", "d")
BLOCKS = {f"source{part}": COLUMNS[5 * part : 5 * part + 5] for part in range(4)}
EFFECTS = np.array([1.2, 0.8, 0.5, 0.0, 0.0, 1.0, 0.7, 0.6, 0.3, 0.0, 0.9, 0.5, 0.3, 0.0, 0.0, 0.4, 0.2, 0.0, 0.0, 0.0])
LEVEL_EFFECTS = np.array([-1.0, 0.5, 0.0, 0.8])
Fault = Callable[[np.random.Generator, Array, Array], tuple[Array, Array, set[str]]]


def some_rows(rng: np.random.Generator, rows: int, shift: float = 0.0) -> tuple[Array, Array]:
    """Vectors and labels; the fourth column is a category, and the eighth has an effect that grows with its size."""
    x = rng.normal(size=(rows, 20))
    x[:, 0] += shift
    x[:, 4] = rng.integers(0, 4, rows)
    score = x @ EFFECTS + LEVEL_EFFECTS[x[:, 4].astype(int)]
    return x, (rng.random(rows) < expit(score)).astype(float)


def unit_change(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    place = int(rng.choice([0, 1, 5, 6, 10]))
    x[:, place] = x[:, place] * 2.54 + 3
    return x, y, {COLUMNS[place]}


def stuck_sensor(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    place = int(rng.choice([0, 1, 5, 6, 10]))
    x[:, place] = 1.0
    return x, y, {COLUMNS[place]}


def late_source(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    part = int(rng.integers(0, 3))
    x[:, 5 * part : 5 * part + 5] = np.nan
    return x, y, {f"source{part}"}


def new_level(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    x[rng.random(len(x)) < 0.6, 4] = -1
    return x, y, {CATEGORY}


def swapped_join(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    part = int(rng.integers(0, 3))
    x[:, 5 * part : 5 * part + 5] = x[rng.permutation(len(x)), 5 * part : 5 * part + 5]
    return x, y, {f"source{part}"}


def label_flip(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    level = int(rng.integers(0, 4))
    is_slice = (x[:, 4] == level) & (rng.random(len(x)) < 0.6)
    return x, np.where(is_slice, 1 - y, y), {f"{CATEGORY} = {LEVELS[level]}"}


def covariate_shift(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    """Rows are chosen near the middle of the strongest column, where they are hard to predict."""
    del y
    x, y = some_rows(rng, 4 * len(x))
    chance = np.exp(-2 * (x[:, 0] + 0.2) ** 2)
    chosen = rng.random(len(x)) < chance
    return x[chosen], y[chosen], {"c0"}


def prior_shift(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array, set[str]]:
    """The rarer class of a model that leans to the other one becomes common."""
    del x, y
    x, y = some_rows(rng, 6000)
    chosen = np.concatenate([np.flatnonzero(y == 0)[:1700], np.flatnonzero(y == 1)[:300]])
    return x[chosen], y[chosen], {"class shares"}


FAULTS: tuple[Fault, ...] = (
    unit_change,
    stuck_sensor,
    late_source,
    new_level,
    swapped_join,
    label_flip,
    covariate_shift,
    prior_shift,
)


def hit(cause: Cause, names: set[str]) -> bool:
    """Whether the cause is the fault: the column, its source, the slice, or the class shares."""
    members = {member for name in names for member in BLOCKS.get(name, ())}
    return cause.name in names | members or cause.kind in names


def one_run(fault: Fault, seed: int) -> tuple[bool, bool, float | None]:
    """Fault named first, named among three, and the recovered share of the log loss under prior shift."""
    rng = np.random.default_rng([FAULTS.index(fault), seed])
    x, y = some_rows(rng, 4000)
    if fault is prior_shift:
        y_shares = rng.random(len(y)) < np.where(y == 1, 1.0, 0.35)
        x, y = x[y_shares], y[y_shares]
    half = len(x) // 2
    trees = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=8, categorical_features=[4], random_state=0
    ).fit(np.where(x == -1, np.nan, x)[:half], y[:half])

    def predict(vectors: Array) -> Array:
        clean = vectors.copy()
        clean[:, 4] = np.where(clean[:, 4] < 0, np.nan, clean[:, 4])
        return np.asarray(trees.predict_proba(clean))

    old_x, old_y = x[half:], y[half:]
    new_x, new_y, names = fault(rng, *some_rows(rng, 2000))
    profile = build_profile(old_x, names=COLUMNS, levels={CATEGORY: LEVELS})
    drifted = frozenset(c.name for c in check_columns(profile, new_x) if c.p_adjusted <= 0.05 and c.psi >= 0.1)
    model = CauseModel("log_loss", COLUMNS, predict, BLOCKS, {CATEGORY: LEVELS}, drifted)
    old = LossWindow(old_x, predict(old_x), np.column_stack([1 - old_y, old_y]))
    new = LossWindow(new_x, predict(new_x), np.column_stack([1 - new_y, new_y]))
    causes = explain_loss(old, new, model, project="shop").causes
    recovered = recovery(old, old_y, new, new_y) if fault is prior_shift else None
    return any(hit(c, names) for c in causes[:1]), any(hit(c, names) for c in causes[:3]), recovered


def recovery(old: LossWindow, old_y: Array, new: LossWindow, new_y: Array) -> float:
    """Of the log loss that the observed class shares would win, the part that the estimated ones win."""
    shift = estimate_prior_shift(new.predictions, old.predictions, old_y)

    def loss(predictions: Array) -> float:
        return float(-np.log(predictions[np.arange(len(new_y)), new_y.astype(int)]).mean())

    known = [1 - new_y.mean(), new_y.mean()]
    best = loss(with_prior(new.predictions, shift.before, known))
    ours = loss(with_prior(new.predictions, shift.before, shift.now))
    return (loss(new.predictions) - ours) / (loss(new.predictions) - best)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="runs of each fault")
    add_results_options(parser, [fault.__name__ for fault in FAULTS])
    options = parser.parse_args()
    started, is_broken, recovered = perf_counter(), False, []
    stored = StoredResults(options.results)
    for fault in [fault for fault in FAULTS if fault.__name__ in options.only]:
        results = stored.over_seeds(fault.__name__, partial(one_run, fault), options.runs, at_once=5)
        shares = [float(np.mean([result[place] for result in results])) for place in (0, 1)]
        recovered += [result[2] for result in results if result[2] is not None]
        errors = [np.sqrt(share * (1 - share) / options.runs) for share in shares]
        broken = any(share + 3 * error < bar for share, error, bar in zip(shares, errors, (0.8, 0.95), strict=True))
        is_broken |= broken
        figures = ", ".join(f"{s:.0%} ± {e:.0%}" for s, e in zip(shares, errors, strict=True))
        print(f"{fault.__name__:<16} first, among three: {figures}   {'BROKEN' if broken else 'ok'}", flush=True)
    if recovered:
        middle = float(np.median(recovered))
        is_broken |= middle < 0.9
        print(f"prior shift: {middle:.0%} of the log loss recovered (median), least {min(recovered):.0%}")
    print(f"{perf_counter() - started:.0f} s")
    return int(is_broken)


if __name__ == "__main__":
    sys.exit(main())
