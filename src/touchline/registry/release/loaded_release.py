"""A release in memory: its manifest, its model and its transforms, enough to check a request and to score it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from touchline.features import ColumnSpec, ServedView
from touchline.features.declaration.on_demand import Transform
from touchline.features.vectors.columns import Vectors

if TYPE_CHECKING:
    from touchline.registry.release.manifest import ReleaseManifest
    from touchline.training import PredictionInterval


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
class LoadedRelease:
    """A release whose files are verified and whose self-test has passed.

    `contract` is the JSON Schema of a request row, `lineage` the snapshots, feature histories and training set behind
    the model, `background` typical vectors [rows, columns], which explanations compare with.
    """

    manifest: ReleaseManifest
    digest: str
    model: Scores
    contract: Mapping[str, Any]
    transforms: tuple[Transform, ...] = ()
    background: Vectors | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        return release_id(self.project, self.version, self.digest)

    @cached_property
    def project(self) -> str:
        return self.manifest.project

    @cached_property
    def version(self) -> int:
        return self.manifest.version

    @cached_property
    def kind(self) -> str:
        """`binary`, `multiclass` or `regression`."""
        return self.manifest.task

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return self.manifest.classes

    @cached_property
    def columns(self) -> tuple[ColumnSpec, ...]:
        return self.manifest.columns

    @cached_property
    def views(self) -> tuple[ServedView, ...]:
        return self.manifest.views

    @cached_property
    def inputs(self) -> tuple[InputField, ...]:
        properties = self.contract.get("properties", {})
        required = self.contract.get("required", self.manifest.inputs)
        return tuple(InputField(name, properties.get(name, {}), name in required) for name in self.manifest.inputs)

    @cached_property
    def entity_columns(self) -> tuple[str, ...]:
        """The request fields that name entities, in the order of the joins, each once."""
        return self.manifest.entity_columns

    @cached_property
    def view_columns(self) -> tuple[ColumnSpec, ...]:
        return tuple(column for column in self.columns if column.origin.startswith("view:"))

    @cached_property
    def interval(self) -> PredictionInterval | None:
        """The interval around a prediction; None where the model has none."""
        interval: PredictionInterval | None = getattr(self.model, "interval", None)
        return interval

    def output(self, scores: Sequence[float]) -> dict[str, Any]:
        """The model's output for one row, as responses and the log state it."""
        if self.kind != "regression":
            return {"probabilities": dict(zip(self.classes, scores, strict=True))}
        if (interval := self.interval) is None:
            return {"value": scores[0]}
        low, high = interval.around(scores[0])
        return {"value": scores[0], "interval": {"low": low, "high": high, "coverage": interval.coverage}}


def release_id(project: str, version: int, digest: str) -> str:
    """A release is named by its content.

    >>> release_id("shop", 3, "0123456789abcdef0123")
    'shop-3-0123456789abcdef'
    """
    return f"{project}-{version}-{digest[:16]}"
