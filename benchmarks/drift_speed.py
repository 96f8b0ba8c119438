"""Time a drift check of 60 columns against SciPy's tests of the same rows, and its memory above the rows.

    python benchmarks/drift_speed.py

Reference and window have 1,000,000 and 100,000 rows, then the other way round. Seconds are the least of three runs; CPU
seconds stand beside them, because a busy machine stretches the clock. `make bench` runs it.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, mannwhitneyu

from touchline.statistics import build_profile, check_columns

Array = NDArray[np.float64]
_COLUMNS = 60
_LIMIT_SECONDS, _LIMIT_MEGABYTES, _LIMIT_RATIO = 1.0, 200.0, 6.0


def timed(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """The least wall and CPU seconds."""
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = perf_counter(), process_time()
        work()
        walls.append(perf_counter() - wall)
        cpus.append(process_time() - cpu)
    return min(walls), min(cpus)


def by_scipy(reference: Array, current: Array) -> None:
    """The same two tests of one column in 20, on all rows."""
    for place in range(0, _COLUMNS, 20):
        ks_2samp(reference[:, place], current[:, place], method="asymp")
        mannwhitneyu(reference[:, place], current[:, place], method="asymptotic")


def main() -> int:
    is_slow = False
    for rows, window in ((1_000_000, 100_000), (100_000, 1_000_000)):
        rng = np.random.default_rng(1)
        reference, current = rng.normal(size=(rows, _COLUMNS)), rng.normal(size=(window, _COLUMNS))
        profile = build_profile(reference, names=[f"c{place}" for place in range(_COLUMNS)])
        wall, cpu = timed(lambda profile=profile, current=current: check_columns(profile, current))  # type: ignore[misc]
        tracemalloc.start()
        check_columns(profile, current)
        megabytes = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        scipy = 20 * timed(lambda: by_scipy(reference, current), times=1)[1]  # noqa: B023  called at once
        ratio = scipy / cpu
        print(
            f"reference {rows:,}, window {window:,}: {wall:.2f} s ({cpu:.2f} s CPU), {megabytes:.0f} MB above the "
            f"rows, SciPy {scipy:.1f} s CPU ({ratio:.0f}×)",
            flush=True,
        )
        # CPU seconds over two cores: the bar is of a machine that does nothing else.
        is_slow |= min(wall, cpu / 2) > _LIMIT_SECONDS or megabytes > _LIMIT_MEGABYTES or ratio < _LIMIT_RATIO
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())
