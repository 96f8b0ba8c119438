"""Time a drift check of 60 columns against SciPy's tests of the same rows and Evidently, and its memory above the rows.

    python benchmarks/drift_speed.py
    python benchmarks/drift_speed.py --envs DIR     # the environment of Evidently lies in DIR

Reference and window have 1,000,000 and 100,000 rows, then the other way round. Seconds are the least of three runs; CPU
seconds stand beside them, because a busy machine stretches the clock. Evidently's preset runs once in an environment of
its own, on 20,000 and 5,000 rows; its report reads the whole reference, where a check reads the profile. `make bench`
runs it.
"""

from __future__ import annotations

import argparse
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, mannwhitneyu

from drift_delay import PACKAGES
from peers.runs import peer_python, run_child
from touchline.statistics import build_profile, check_columns

Array = NDArray[np.float64]
_COLUMNS = 60
_LIMIT_SECONDS, _LIMIT_MEGABYTES, _LIMIT_RATIO, _LIMIT_EVIDENTLY = 1.0, 200.0, 6.0, 40.0
_EVIDENTLY = Path(__file__).with_name("peers") / "evidently_speed.py"


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


def by_evidently(envs: Path, rows: int, window: int) -> dict[str, Any]:
    """Its wall and CPU seconds, or an error."""
    try:
        python = peer_python(envs, "evidently", PACKAGES["evidently"])
    except CalledProcessError as failed:
        return {"error": str(failed)}
    return run_child([str(python), "-W", "ignore", str(_EVIDENTLY), str(rows), str(window), str(_COLUMNS)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where the environment of Evidently lies")
    options = parser.parse_args()
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
    return int(beside_evidently(options.envs.absolute()) or is_slow)


def beside_evidently(envs: Path) -> bool:
    """Print both times at a size that Evidently finishes; True if the ratio is below its bar."""
    rows, window = 20_000, 5_000
    rng = np.random.default_rng(1)
    profile = build_profile(rng.normal(size=(rows, _COLUMNS)), names=[f"c{place}" for place in range(_COLUMNS)])
    current = rng.normal(size=(window, _COLUMNS))
    wall, cpu = timed(lambda: check_columns(profile, current))
    evidently = by_evidently(envs, rows, window)
    if "error" in evidently:
        print(f"Evidently left out: {evidently['error']}")
        return False
    ratio = evidently["cpu"] / cpu
    print(
        f"reference {rows:,}, window {window:,}: {wall:.3f} s ({cpu:.3f} s CPU), Evidently {evidently['wall']:.1f} s "
        f"({evidently['cpu']:.1f} s CPU, {ratio:.0f}×)"
    )
    return bool(ratio < _LIMIT_EVIDENTLY)


if __name__ == "__main__":
    sys.exit(main())
