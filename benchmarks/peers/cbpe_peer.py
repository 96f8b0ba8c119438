"""The class probabilities that NannyML's CBPE calibrates on the reference; runs in NannyML's environment.

    python cbpe_peer.py FOLDER

Writes `NAME.calibrated.npy` beside each stream: [2, windows, rows], fitted anew for each window on the rows with an
outcome by then, and once on the reference. CBPE has no log loss: the benchmark computes it from these.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import nannyml
import numpy as np
import pandas as pd


def fitted(p: np.ndarray, y: np.ndarray, window: int) -> nannyml.CBPE:
    reference = pd.DataFrame({"p": p, "y": y.astype(int)})
    reference["predicted"] = (reference["p"] >= 0.5).astype(int)
    return nannyml.CBPE(
        y_pred_proba="p",
        y_pred="predicted",
        y_true="y",
        metrics=["accuracy"],
        chunk_size=window,
        problem_type="classification_binary",
    ).fit(reference)


def calibrated(estimator: nannyml.CBPE, p: np.ndarray) -> np.ndarray:
    predicted = pd.Series(p, name="p")
    found = estimator.calibrator.calibrate(predicted) if estimator.needs_calibration else predicted
    return np.asarray(found, dtype=float)


def main(folder: str) -> None:
    warnings.simplefilter("ignore")
    for path in sorted(Path(folder).glob("*.npz")):
        stream, places = np.load(path), np.load(path.with_suffix(".places.npy"))
        window = int(stream["window"])
        once = fitted(stream["reference_p"], stream["reference_y"], window)
        ways: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for place in places.tolist():
            known, rows = max(0, place - 1) * window, slice(place * window, (place + 1) * window)
            p, y = (np.concatenate([stream[f"reference_{part}"], stream[f"monitored_{part}"][:known]]) for part in "py")
            ways[0].append(calibrated(fitted(p, y, window), stream["monitored_p"][rows]))
            ways[1].append(calibrated(once, stream["monitored_p"][rows]))
        np.save(path.with_suffix(".calibrated.npy"), np.array(ways))
    print(json.dumps({"done": True}))


if __name__ == "__main__":
    main(sys.argv[1])
