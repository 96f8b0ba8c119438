"""Prove when recalibration for new class shares is offered: for prior shift, and not for other changes.

    python benchmarks/prove_recalibration.py --runs 200

Ten columns, a logistic model that has seen 2,000 rows, 1,500 further labelled rows before the change and 600
predictions since, of which none, 100 or 300 are settled. A share beyond its bar by three standard errors is an exit
code of 1; a slight covariate shift has no bar, since few rows cannot tell it apart. `loss` is the mean log loss of the
600 rows: as served, and recalibrated where that was offered.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from touchline.monitoring import LabelledSample, LiveRows, find_share_shift

Array = NDArray[np.float64]
EFFECTS = np.array([1.2, -0.8, 0.5, 0.5, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0])
World = Callable[[np.random.Generator, int], tuple[Array, Array]]


def unchanged(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    x = rng.normal(size=(rows, 10))
    return x, (rng.random(rows) < expit(x @ EFFECTS - 0.4)).astype(float)


def prior_shift(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """A class of 42 % has 20 % now; the rows of each class are as before."""
    x, y = unchanged(rng, 4 * rows)
    chosen = rng.random(len(y)) < np.where(y == 1, 0.345, 1.0)
    return x[chosen][:rows], y[chosen][:rows]


def concept_change(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """The same inputs, and a class that became rarer for all of them."""
    x = rng.normal(size=(rows, 10))
    return x, (rng.random(rows) < expit(x @ EFFECTS - 1.6)).astype(float)


def other_effects(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """The same inputs, and one of them turned round."""
    x = rng.normal(size=(rows, 10))
    effects = EFFECTS.copy()
    effects[0] *= -1
    return x, (rng.random(rows) < expit(x @ effects - 0.4)).astype(float)


def covariate_shift(rng: np.random.Generator, rows: int, by: float = 0.8) -> tuple[Array, Array]:
    """The strongest column moved by 0.8 standard deviations; the relation is as before."""
    x = rng.normal(size=(rows, 10))
    x[:, 0] -= by
    return x, (rng.random(rows) < expit(x @ EFFECTS - 0.4)).astype(float)


def slight_shift(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """The same by 0.3 standard deviations."""
    return covariate_shift(rng, rows, 0.3)


# The least and the most share of runs in which recalibration may be offered, by the number of settled rows.
BARS: dict[World, dict[int, tuple[float, float]]] = {
    unchanged: {0: (0, 0.02), 100: (0, 0.02), 300: (0, 0.02)},
    prior_shift: {0: (0.9, 1), 100: (0.9, 1), 300: (0.9, 1)},
    concept_change: {0: (0, 0.02), 100: (0, 0.02), 300: (0, 0.02)},
    other_effects: {0: (0, 0.02), 100: (0, 0.02), 300: (0, 0.02)},
    covariate_shift: {0: (0, 0.02), 100: (0, 0.02), 300: (0, 0.02)},
    slight_shift: {0: (0, 1), 100: (0, 1), 300: (0, 1)},
}


def one_run(world: World, settled: int, seed: int) -> tuple[bool, float, float, float]:
    """Whether recalibration is offered; the loss as served, as it would be then, and with the observed shares."""
    rng = np.random.default_rng([seed, settled])
    model = LogisticRegression().fit(*unchanged(rng, 2000))
    old_x, old_y = unchanged(rng, 1500)
    new_x, new_y = world(rng, 600)
    old, new = model.predict_proba(old_x), model.predict_proba(new_x)
    labels = np.where(np.arange(600) < settled, new_y, np.nan)
    names = tuple(map(str, range(600)))
    live = LiveRows(new, new_x, labels, np.zeros(600), np.zeros(600), np.arange(600), names, names, {})
    reference = LabelledSample(old, old_y, np.arange(1500), old_x)
    shift = find_share_shift("log_loss", reference, live, ("no", "yes"), project="shop", since_on="")

    def loss(predictions: Array) -> float:
        return float(-np.log(predictions[np.arange(600), new_y.astype(int)]).mean())

    is_offered = shift.refusal is None
    ratios = np.array([1 - new_y.mean(), new_y.mean()]) / np.array([1 - old_y.mean(), old_y.mean()])
    best = new * ratios / (new * ratios).sum(axis=1, keepdims=True)
    return is_offered, loss(new), loss(shift.shares.transform(new)) if is_offered else loss(new), loss(best)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs of each case")
    options = parser.parse_args()
    started, is_broken = perf_counter(), False
    for world, bars in BARS.items():
        for settled, (least, most) in bars.items():
            results = np.array([one_run(world, settled, seed) for seed in range(1000, 1000 + options.runs)])
            share = float(results[:, 0].mean())
            error = max(np.sqrt(share * (1 - share) / options.runs), 1 / options.runs)
            broken = share + 3 * error < least or share - 3 * error > most
            is_broken |= broken
            losses = f"loss {results[:, 1].mean():.4f} → {results[:, 2].mean():.4f}"
            if world is prior_shift:
                recovered = (results[:, 1] - results[:, 2]) / (results[:, 1] - results[:, 3])
                losses += f", {np.median(recovered):.0%} recovered (median)"
                is_broken |= bool(np.median(recovered) < 0.9)
            verdict = "BROKEN" if broken else "ok"
            case = f"{world.__name__:<16} {settled:>3} settled"
            print(f"{case}: offered {share:.1%} ± {error:.1%}   {losses}   {verdict}", flush=True)
    print(f"{perf_counter() - started:.0f} s")
    return int(is_broken)


if __name__ == "__main__":
    sys.exit(main())
