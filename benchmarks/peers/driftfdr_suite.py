"""Scenarios of driftfdr's own benchmark suite, written for others to read; runs in driftfdr's environment.

    python driftfdr_suite.py FOLDER COUNT

Writes COUNT of its 100 scenarios, evenly chosen, as `NUMBER.npz`: the loss of 100 models at 5,000 steps, and the first
step of the change of each model (-1: none).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from driftfdr.streams import NO_CHANGE, benchmark_suite, make_scenario


def main(folder: str, count: int) -> None:
    suite = benchmark_suite()
    for number in np.linspace(0, len(suite) - 1, count).astype(int).tolist():
        scenario = make_scenario(suite[number][1], suite[number][2])
        starts = np.where(scenario.change_start >= NO_CHANGE, -1, scenario.change_start)
        np.savez(Path(folder) / f"{number:03}.npz", values=scenario.values, starts=starts)
    print(json.dumps({"scenarios": count}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
