"""A model as it is served: preparation, estimator, calibrator and class shares, each a part of its own in a folder.

Restoring and predicting need NumPy and what the estimator's family says; no pickle anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchline.errors import ModelDamaged
from touchline.features import ColumnSpec
from touchline.training.calibration_methods import CALIBRATION_METHODS
from touchline.training.estimators.arrays import read_arrays, write_arrays
from touchline.training.estimators.base import Family, Fitted, Kind
from touchline.training.fitting.blend import find_family
from touchline.training.fitting.calibration import NO_CALIBRATION, Calibrator
from touchline.training.fitting.class_shares import ClassShares
from touchline.training.fitting.conformal import PredictionInterval
from touchline.training.fitting.preparation import Preparation

Array = NDArray[np.float64]

_SCHEMA = 1
_KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")


@dataclass(frozen=True)
class Model:
    """Vectors in, probabilities per class or values out; `interval` says how far a value may be off, where known.

    `shares` are given where the model was recalibrated for other class shares than those of its training.
    """

    kind: Kind
    classes: tuple[str, ...]
    columns: tuple[ColumnSpec, ...]
    family: str
    preparation: Preparation
    estimator: Fitted
    calibrator: Calibrator = NO_CALIBRATION
    threshold: float = 0.5
    interval: PredictionInterval | None = None
    shares: ClassShares | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of a prediction's columns."""
        return self.classes or ("value",)

    def predict(self, vectors: Array) -> Array:
        """Float64 [rows, classes], or [rows, 1] for numbers. A row's answer does not depend on its neighbours."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.columns):
            raise ModelDamaged(
                f"a {self.family} model of {len(self.columns)} columns",
                f"it was given vectors of shape {vectors.shape}",
            )
        if not len(vectors):
            return np.zeros((0, len(self.classes) or 1))
        return self.corrected(self.estimator.predict(self.preparation.transform(vectors)))

    @property
    def is_corrected(self) -> bool:
        """Whether outputs of the estimator are corrected at all."""
        return self.calibrator.method != "none" or self.shares is not None

    def corrected(self, outputs: Array) -> Array:
        """Outputs of the estimator [rows, outputs] as the model predicts them: calibrated, under its class shares."""
        calibrated = self.calibrator.transform(outputs)
        return calibrated if self.shares is None else self.shares.transform(calibrated)

    def export(self, folder: Path) -> None:
        """Write every part below `folder`, which is made."""
        (folder / "estimator").mkdir(parents=True)
        self.estimator.export(folder / "estimator")
        write_arrays(folder / "calibrator.npz", self.calibrator.arrays)
        _write_json(folder / "preparation.json", self.preparation.to_json())
        _write_json(
            folder / "model.json",
            {
                "schema": _SCHEMA,
                "kind": self.kind,
                "classes": list(self.classes),
                "columns": [column.to_json() for column in self.columns],
                "family": self.family,
                "calibration": self.calibrator.method,
                "threshold": self.threshold,
                "interval": self.interval.to_json() if self.interval else None,
                "shares": self.shares.to_json() if self.shares else None,
            },
        )

    @classmethod
    def restore(
        cls, folder: Path, families: Mapping[str, Family] | None = None, *, estimator: Path | None = None
    ) -> Model:
        """The model that `export` wrote. `families` are a project's own, which no package has installed.

        `estimator` is the folder of the estimator, where it is another than the one `export` makes.
        """
        try:
            record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            preparation = Preparation.from_json(json.loads((folder / "preparation.json").read_text(encoding="utf-8")))
            arrays = read_arrays(folder / "calibrator.npz")
        except (OSError, ValueError, KeyError) as wrong:
            raise ModelDamaged(f"the model in {folder}", str(wrong)) from wrong
        family = find_family(record["family"], families)
        return cls(
            kind=next(kind for kind in _KINDS if kind == record["kind"]),
            classes=tuple(record["classes"]),
            columns=tuple(ColumnSpec.from_json(column) for column in record["columns"]),
            family=record["family"],
            preparation=preparation,
            estimator=family.restore(estimator or folder / "estimator"),
            calibrator=Calibrator(
                next(method for method in CALIBRATION_METHODS if method == record["calibration"]),
                {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()},
            ),
            threshold=float(record["threshold"]),
            interval=PredictionInterval.from_json(record["interval"]) if record.get("interval") else None,
            shares=ClassShares.from_json(record["shares"]) if record.get("shares") else None,
        )


def _write_json(path: Path, record: Mapping[str, Any] | Sequence[Any]) -> None:
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
