"""The self-test of a release: its stored examples give the stored outputs, its transforms the stored columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import ReleaseBroken, TransformBroken
from touchline.features import ColumnSpec
from touchline.features.declaration.on_demand import Transform, apply_transforms
from touchline.features.vectors.columns import Vectors
from touchline.registry.release.transforms import stored_inputs
from touchline.training import Model

# Built and loaded values may differ by rounding in another build of a library, by no more.
TOLERANCE: Final = 1e-9


@dataclass(frozen=True)
class StoredExamples:
    """Examples of a release: vectors [rows, columns], the model's outputs, and the inputs of on-demand transforms."""

    vectors: Vectors
    outputs: Vectors
    inputs: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, folder: Path) -> StoredExamples:
        with np.load(folder / "examples.npz", allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in stored.files}
        return cls(arrays.pop("vectors"), arrays.pop("outputs"), stored_inputs(arrays))


def validate_outputs(folder: Path, model: Model, examples: StoredExamples) -> None:
    """Raise `ReleaseBroken` where the model does not give the stored outputs."""
    expected, outputs = examples.outputs, model.predict(examples.vectors)
    if outputs.shape != expected.shape:
        raise ReleaseBroken(str(folder), rows=len(expected), of=len(expected), gap=np.inf, allowed=TOLERANCE)
    gap = np.abs(outputs - expected)
    broken = ~(gap <= TOLERANCE * np.maximum(1.0, np.abs(expected))).all(axis=1)
    if broken.any():
        worst = float(np.nanmax(gap)) if np.isfinite(gap).any() else np.inf
        raise ReleaseBroken(str(folder), rows=int(broken.sum()), of=len(expected), gap=worst, allowed=TOLERANCE)


def validate_transforms(
    folder: Path, transforms: Sequence[Transform], columns: Sequence[ColumnSpec], examples: StoredExamples
) -> None:
    """Raise `TransformBroken` where a transform fails on its stored inputs or gives other values."""
    if broken := broken_transform(transforms, columns, examples):
        raise TransformBroken(str(folder), *broken)


def broken_transform(
    transforms: Sequence[Transform], columns: Sequence[ColumnSpec], examples: StoredExamples
) -> tuple[str, str] | None:
    """The first transform that fails on the stored inputs, and how; None where all give the stored columns."""
    places = {column.name: place for place, column in enumerate(columns)}
    for count, transform in enumerate(transforms, start=1):
        try:
            added = apply_transforms(transforms[:count], examples.inputs, len(examples.vectors))
        except Exception as failure:  # noqa: BLE001  a project's own code may raise anything
            return transform.name, f"fails on its stored inputs: {type(failure).__name__}: {failure}"
        for name in added:
            stored = examples.vectors[:, places[name]]
            allowed = TOLERANCE * np.maximum(1.0, np.abs(stored))
            same = (np.abs(added[name] - stored) <= allowed) | (added[name] == stored)
            if not (same | (np.isnan(added[name]) & np.isnan(stored))).all():
                return transform.name, f"gives other values of {name!r} than at training"
    return None
