"""The number of rounds of a fit of numbers in time: between a stop on the newest rows and one on rows among the others.

On rows of the future a fit stops early where the level of the numbers moves, since no round learns a level that is
still to come. On rows among those of the fit it stops late, since it may fill in what lies between them. The released
model knows more of the level than the fits on windows did and less than the future does: the geometric mean of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from touchline.training.data.rows import LabelledRows
from touchline.training.data.splits import FitWindow
from touchline.training.estimators.base import Deadline, Family, ParamValue
from touchline.training.fitting.fit import fit_estimator
from touchline.training.fitting.recipe import Recipe

_PARTS: Final = 5


def is_in_time(rows: LabelledRows, windows: Sequence[FitWindow]) -> bool:
    """Whether all rows of each fit lie before the rows that it is scored on."""
    return all(rows.cutoffs[one.fit].max() < rows.cutoffs[one.validation].min() for one in windows)


def settle_rounds(
    recipe: Recipe,
    family: Family,
    rows: LabelledRows,
    settled: Mapping[str, ParamValue],
    *,
    deadline: Deadline | None = None,
) -> dict[str, ParamValue]:
    """Where the fits on windows settled rounds, the middle between these and the rounds of a random part of `rows`."""
    rounds = {name: value for name, value in settled.items() if isinstance(value, int) and value > 0}
    if not rounds:
        return dict(settled)
    window = _random_clusters(rows, recipe.seed)
    _, fitted = fit_estimator(
        recipe, family, rows.at(window.fit), validation=rows.at(window.validation), deadline=deadline
    )
    middle = {
        name: round((value * found) ** 0.5)
        for name, value in rounds.items()
        if isinstance(found := fitted.settled.get(name), int)
    }
    return {**settled, **middle}


def _random_clusters(rows: LabelledRows, seed: int) -> FitWindow:
    """A fifth of the clusters apart. Rows of one cluster, such as those of a day, are alike and stay together."""
    clusters, where = np.unique(rows.clusters, return_inverse=True)
    is_apart = (np.random.default_rng(seed).permutation(len(clusters)) % _PARTS == 0)[where]
    return FitWindow(np.flatnonzero(~is_apart), np.flatnonzero(is_apart))
