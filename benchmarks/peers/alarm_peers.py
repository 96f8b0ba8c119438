"""The alarms of one rival on stored streams, each rival with its documented defaults; runs in the rival's environment.

    python alarm_peers.py RIVAL FOLDER EVERY

Prints a line of JSON for each stream: its name, the numbers of the windows in which the rival raised an alarm, the
number of windows before the change that it saw, and the seconds. EVERY: Evidently sees each EVERY-th window before the
change.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

Arrays = dict[str, Any]
# Evidently reports a window in about half a second: later windows after a change would not be a quick find.
_MOST_WINDOWS_AFTER = 30


def losses(stream: Arrays, side: str) -> Any:
    """1 for each row whose class was predicted wrongly."""
    return ((stream[f"{side}_p"] >= 0.5) != (stream[f"{side}_y"] == 1)).astype(float)


def by_river(name: str) -> Callable[[Arrays], list[int]]:
    def alarms(stream: Arrays) -> list[int]:
        from river import drift

        detector = getattr(drift, name)()
        for error in losses(stream, "reference"):
            detector.update(error)
        raised = []
        for row, error in enumerate(losses(stream, "monitored")):
            detector.update(error)
            if detector.drift_detected:
                raised.append(row // int(stream["window"]))
        return raised

    return alarms


def by_driftfdr(stream: Arrays) -> list[int]:
    """The monitor of its README: MeanShift(3), Bonferroni, a tolerance of 5 points, n_ref 300, windows of 100."""
    return _driftfdr(stream, is_sequential=False)


def by_ecusum(stream: Arrays) -> list[int]:
    """Its fastest recommended detector: ECUSUM at every step, with the same tolerance."""
    return _driftfdr(stream, is_sequential=True)


def _driftfdr(stream: Arrays, *, is_sequential: bool) -> list[int]:
    from driftfdr import ECUSUM, CalibrationConfig, MeanShift, StreamingMonitor

    monitor = StreamingMonitor(
        model_ids=["model"],
        detector_factory=ECUSUM if is_sequential else lambda: MeanShift(3),
        procedure="bonferroni",
        alpha=0.05,
        n_ref=300,
        window=100,
        horizon=5,
        calibration=CalibrationConfig(tolerance=0.05),
        sequential=is_sequential,
    )
    for error in losses(stream, "reference")[-300:]:
        monitor.update({"model": error})
    steps = enumerate(losses(stream, "monitored"))
    return [row // int(stream["window"]) for row, error in steps if monitor.update({"model": error})]


def frame(stream: Arrays, side: str) -> pd.DataFrame:
    table = pd.DataFrame(stream[f"{side}_x"], columns=[f"x{place}" for place in range(stream[f"{side}_x"].shape[1])])
    table["y_pred_proba"], table["y_true"] = stream[f"{side}_p"], stream[f"{side}_y"].astype(int)
    table["y_pred"] = (table["y_pred_proba"] >= 0.5).astype(int)
    return table


def by_cbpe(stream: Arrays) -> list[int]:
    """The estimated ROC AUC, without labels, beyond three standard deviations of the reference."""
    import nannyml

    estimator = nannyml.CBPE(
        y_pred_proba="y_pred_proba",
        y_pred="y_pred",
        y_true="y_true",
        metrics=["roc_auc"],
        chunk_size=int(stream["window"]),
        problem_type="classification_binary",
    ).fit(frame(stream, "reference"))
    result = estimator.estimate(frame(stream, "monitored").drop(columns="y_true")).filter(period="analysis").to_df()
    return [int(place) for place in np.flatnonzero(result[("roc_auc", "alert")].to_numpy(bool))]


def by_realized(stream: Arrays) -> list[int]:
    """The measured ROC AUC beyond three standard deviations of the reference."""
    import nannyml

    calculator = nannyml.PerformanceCalculator(
        y_pred_proba="y_pred_proba",
        y_pred="y_pred",
        y_true="y_true",
        metrics=["roc_auc"],
        chunk_size=int(stream["window"]),
        problem_type="classification_binary",
    ).fit(frame(stream, "reference"))
    result = calculator.calculate(frame(stream, "monitored")).filter(period="analysis").to_df()
    return [int(place) for place in np.flatnonzero(result[("roc_auc", "alert")].to_numpy(bool))]


def seen_windows(stream: Arrays, every: int) -> list[int]:
    """The windows that Evidently sees: every few before the change, then all of the first ones after it."""
    window, change = int(stream["window"]), int(stream["change"])
    windows = len(stream["monitored_y"]) // window
    first = windows if change < 0 else change // window
    return [*range(0, first, every), *range(first, min(windows, first + _MOST_WINDOWS_AFTER))]


def by_evidently(stream: Arrays, every: int) -> list[int]:
    """Dataset drift of its preset: at least half of the inputs and predictions drifted."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    columns = [name for name in frame(stream, "reference") if name not in ("y_true", "y_pred")]
    reference, monitored = (frame(stream, side)[columns] for side in ("reference", "monitored"))
    window, first, raised = int(stream["window"]), int(stream["change"]), []
    for place in seen_windows(stream, every):
        snapshot = Report([DataDriftPreset()]).run(monitored[place * window : (place + 1) * window], reference)
        if snapshot.dict()["metrics"][0]["value"]["share"] >= 0.5:
            raised.append(place)
            if 0 <= first < (place + 1) * window:
                break
    return raised


RIVALS: dict[str, Callable[[Arrays], list[int]]] = {
    "driftfdr": by_driftfdr,
    "ecusum": by_ecusum,
    "adwin": by_river("ADWIN"),
    "kswin": by_river("KSWIN"),
    "page_hinkley": by_river("PageHinkley"),
    "cbpe": by_cbpe,
    "realized": by_realized,
}


def main(rival: str, folder: str, every: int) -> None:
    warnings.simplefilter("ignore")
    rule = partial(by_evidently, every=every) if rival == "evidently" else RIVALS[rival]
    for path in sorted(Path(folder).glob("*.npz")):
        stream = dict(np.load(path))
        started = perf_counter()
        raised = rule(stream)
        seconds = perf_counter() - started
        change, window = int(stream["change"]), int(stream["window"])
        quiet = len(stream["monitored_y"]) // window if change < 0 else change // window
        seen = len(range(0, quiet, every)) if rival == "evidently" else quiet
        found = {"raised": sorted(set(raised)), "quiet_windows": seen, "seconds": seconds}
        print(json.dumps({"stream": path.stem, **found}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
