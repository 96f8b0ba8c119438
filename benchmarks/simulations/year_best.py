"""What the best test of a better recipe could find within the first weeks of the simulated year.

It looks once, at all outcomes: no loop that may decide every week, and must be right at each look, can find more.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_1samp

from touchline.statistics import paired_gains

from .year import FULL, PLAIN, TEST, WINDOW, Stream, World


def found_by_one_look(world: World, seed: int, run: int, *, weeks: int, alpha: float) -> tuple[bool, bool]:
    """Whether one t-test finds the better recipe: by the live outcomes of the weeks, and by the gate's rows as well."""
    stream = Stream(world, np.random.default_rng([seed, run]))
    test = stream.between(WINDOW - TEST, WINDOW)
    full, plain = (stream.fit(stream.between(0, WINDOW - TEST), recipe) for recipe in (FULL, PLAIN))
    past = paired_gains(stream.predict(full, test), stream.predict(plain, test), stream.y[test]).values
    full, plain = (stream.fit(stream.between(0, WINDOW), recipe) for recipe in (FULL, PLAIN))
    live = np.concatenate(
        [
            paired_gains(
                stream.serve(full, week), stream.serve(plain, week), stream.y[stream.between(week, week + 1)]
            ).values
            for week in range(WINDOW, WINDOW + weeks)
        ]
    )
    return _is_above_0(live, alpha), _is_above_0(np.concatenate([past, live]), alpha)


def _is_above_0(gains: np.ndarray[tuple[int], np.dtype[np.float64]], alpha: float) -> bool:
    return bool(ttest_1samp(gains, 0.0, alternative="greater").pvalue <= alpha)
