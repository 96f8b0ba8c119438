"""`release.json`: all that serving must know of a model, typed. Standard library only, since serving loads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from touchline.features import ColumnSpec, ServedView

SCHEMA = 1


@dataclass(frozen=True)
class OnDemandCode:
    """A transform of the release: the `function` of a `module` whose source lies in `transforms/`."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    version: str
    module: str
    function: str
    has_named_arguments: bool = False

    def to_json(self) -> dict[str, Any]:
        """Without the default, so that a release from before it is built again byte for byte."""
        document = asdict(self)
        if not self.has_named_arguments:
            del document["has_named_arguments"]
        return document


@dataclass(frozen=True)
class ReleaseManifest:
    """The content of a release and the fields that it needs from a request.

    `columns` are the model's columns in order; `inputs` the request fields it reads as they are, `entity_columns`
    those that name entities. `transform_modules` names the modules of `transforms/` in the order of import.
    `estimator_path` is the bundle's folder that the estimator is restored from, `files` maps every other file of the
    bundle to its SHA-256.
    """

    project: str
    version: int
    semantic_version: str
    run_id: str
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...]
    columns: tuple[ColumnSpec, ...]
    inputs: tuple[str, ...]
    views: tuple[ServedView, ...]
    on_demand: tuple[OnDemandCode, ...]
    threshold: float
    family: str
    calibrator: str
    training_set_hash: str
    trained_at: datetime
    metrics: Mapping[str, float]
    hashes: Mapping[str, str]
    libraries: Mapping[str, str]
    example: Mapping[str, Any] = field(default_factory=dict)
    transform_modules: tuple[str, ...] = ()
    estimator_path: str = "model/estimator"
    files: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def entity_columns(self) -> tuple[str, ...]:
        """The request fields that name entities, each once."""
        return tuple(dict.fromkeys(name for view in self.views for name in view.request_columns))

    @property
    def feature_versions(self) -> dict[str, str]:
        return {view.view: view.feature_version for view in self.views}

    def to_bytes(self) -> bytes:
        """The same manifest always gives the same bytes."""
        document: dict[str, Any] = {
            **{name: value for name, value in vars(self).items() if name not in ("columns", "views", "on_demand")},
            "trained_at": self.trained_at.isoformat(),
            "columns": [column.to_json() for column in self.columns],
            "views": [view.to_json() for view in self.views],
            "on_demand": [transform.to_json() for transform in self.on_demand],
            "feature_versions": self.feature_versions,
            "entity_columns": self.entity_columns,
        }
        return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> ReleaseManifest:
        """The manifest that `to_bytes` wrote; `ValueError` or `KeyError` for anything else."""
        document: dict[str, Any] = json.loads(data)
        if document.get("schema") != SCHEMA:
            raise ValueError(f"release.json has schema {document.get('schema')}; this touchline reads {SCHEMA}")
        derived = ("feature_versions", "entity_columns")
        document = {name: value for name, value in document.items() if name not in derived}
        document["trained_at"] = datetime.fromisoformat(document["trained_at"])
        document["columns"] = tuple(ColumnSpec.from_json(column) for column in document["columns"])
        document["views"] = tuple(ServedView.from_json(view) for view in document["views"])
        document["on_demand"] = tuple(_on_demand(transform) for transform in document["on_demand"])
        for name in ("classes", "inputs", "transform_modules"):
            document[name] = tuple(document[name])
        return cls(**document)


def _on_demand(document: Mapping[str, Any]) -> OnDemandCode:
    tuples = {name: tuple(document[name]) for name in ("inputs", "outputs")}
    return OnDemandCode(**{**document, **tuples})
