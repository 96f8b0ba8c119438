"""What serving knows of a release: enough to check a request, score it and say where the answer comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from touchline.features import ColumnSpec, FeatureRows, ServedView, ViewStatus
from touchline.features.declaration.on_demand import Transform

if TYPE_CHECKING:
    from touchline.registry import LoadedRelease
    from touchline.training import PredictionInterval

Vectors = NDArray[np.float64]


class Scores(Protocol):
    """A restored model: vectors in, probabilities [rows, classes] or values [rows, 1] out."""

    def predict(self, vectors: Vectors) -> Vectors: ...


@dataclass(frozen=True)
class InputField:
    """A field of the request that the model reads as it is. `schema` is its part of the contract's JSON Schema."""

    name: str
    schema: Mapping[str, Any]
    is_required: bool = True


@dataclass(frozen=True)
class ServedRelease:
    """A loaded, verified release as the serving path uses it."""

    id: str
    project: str
    version: int
    digest: str
    kind: Literal["binary", "multiclass", "regression"]
    columns: tuple[ColumnSpec, ...]
    model: Scores
    classes: tuple[str, ...] = ()
    semantic_version: str = ""
    inputs: tuple[InputField, ...] = ()
    views: tuple[ServedView, ...] = ()
    transforms: tuple[Transform, ...] = ()
    threshold: float | None = None
    trained_at: datetime | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, Any] | None = None
    background: Vectors | None = None

    @property
    def entity_columns(self) -> tuple[str, ...]:
        """The request fields that name entities, in the order of the joins, each once."""
        return tuple(dict.fromkeys(column for view in self.views for column in view.request_columns))

    @property
    def interval(self) -> PredictionInterval | None:
        """How far from a value the truth may lie, where the model knows it."""
        found: PredictionInterval | None = getattr(self.model, "interval", None)
        return found

    def output(self, scores: Sequence[float]) -> dict[str, Any]:
        """The model's output for one row, as answers and the log tell it."""
        if self.kind != "regression":
            return {"probabilities": dict(zip(self.classes, scores, strict=True))}
        if (interval := self.interval) is None:
            return {"value": scores[0]}
        low, high = interval.around(scores[0])
        return {"value": scores[0], "interval": {"low": low, "high": high, "coverage": interval.coverage}}

    @property
    def view_columns(self) -> tuple[ColumnSpec, ...]:
        return tuple(column for column in self.columns if column.origin.startswith("view:"))


class FeatureReads(Protocol):
    """Reads what one release needs from the online store, in one round trip, and encodes it: `FeatureReader` fits."""

    def read(self, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> FeatureRows: ...

    def read_row(self, row: Mapping[str, Any], cutoff: datetime) -> tuple[bytes, tuple[ViewStatus, ...]]: ...


def view_label(view: str, prefix: str) -> str:
    """How answers and the log name a joined view: the view, and the prefix where there is one.

    >>> view_label("team_form", "home")
    'team_form:home'
    """
    return f"{view}:{prefix}" if prefix else view


def served_from(loaded: LoadedRelease) -> ServedRelease:
    """The serving view of a loaded release."""
    manifest, contract = loaded.manifest, loaded.contract
    properties, required = contract.get("properties", {}), set(contract.get("required", manifest.inputs))
    return ServedRelease(
        id=loaded.id,
        project=manifest.project,
        version=manifest.version,
        digest=loaded.digest,
        kind=manifest.task,
        columns=manifest.columns,
        model=loaded.model,
        classes=manifest.classes,
        semantic_version=manifest.semantic_version,
        inputs=tuple(InputField(name, properties.get(name, {}), name in required) for name in manifest.inputs),
        views=manifest.views,
        transforms=loaded.transforms,
        threshold=manifest.threshold,
        trained_at=manifest.trained_at,
        metrics=manifest.metrics,
        hashes=manifest.hashes,
        libraries=manifest.libraries,
        example=manifest.example or None,
        background=_background(loaded.folder),
    )


def _background(folder: Path) -> Vectors:
    """Rows that stand for the usual, for explanations: those of the self-test."""
    with np.load(folder / "examples.npz", allow_pickle=False) as stored:
        return np.asarray(stored["vectors"], dtype=np.float64)
