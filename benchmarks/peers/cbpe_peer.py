"""The class probabilities that NannyML's CBPE calibrates on the reference; runs in NannyML's environment.

    python cbpe_peer.py FOLDER

Writes `NAME.calibrated.npy` beside each stream. CBPE has no log loss: the benchmark computes it from these.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import nannyml
import numpy as np
import pandas as pd


def main(folder: str) -> None:
    warnings.simplefilter("ignore")
    for path in sorted(Path(folder).glob("*.npz")):
        stream = np.load(path)
        reference = pd.DataFrame({"p": stream["reference_p"], "y": stream["reference_y"].astype(int)})
        reference["predicted"] = (reference["p"] >= 0.5).astype(int)
        estimator = nannyml.CBPE(
            y_pred_proba="p",
            y_pred="predicted",
            y_true="y",
            metrics=["accuracy"],
            chunk_size=int(stream["window"]),
            problem_type="classification_binary",
        ).fit(reference)
        predicted = pd.Series(stream["monitored_p"], name="p")
        calibrated = estimator.calibrator.calibrate(predicted) if estimator.needs_calibration else predicted
        np.save(path.with_suffix(".calibrated.npy"), np.asarray(calibrated, dtype=float))
    print(json.dumps({"done": True}))


if __name__ == "__main__":
    main(sys.argv[1])
