"""The seconds of Evidently's default drift preset on normal columns; runs in Evidently's environment.

python evidently_speed.py REFERENCE_ROWS WINDOW_ROWS COLUMNS
"""

from __future__ import annotations

import json
import sys
import warnings
from time import perf_counter, process_time

import numpy as np
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset


def main(rows: int, window: int, columns: int) -> None:
    warnings.simplefilter("ignore")
    rng, names = np.random.default_rng(1), [f"c{place}" for place in range(columns)]
    reference = pd.DataFrame(rng.normal(size=(rows, columns)), columns=names)
    current = pd.DataFrame(rng.normal(size=(window, columns)), columns=names)
    wall, cpu = perf_counter(), process_time()
    snapshot = Report([DataDriftPreset()]).run(current, reference)
    columns_drifted = snapshot.dict()["metrics"][0]["value"]["count"]
    seconds = {"wall": perf_counter() - wall, "cpu": process_time() - cpu}
    print(json.dumps({**seconds, "drifted": float(columns_drifted)}))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
