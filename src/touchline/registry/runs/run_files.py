"""The files of a training: input of its run, its card and its release."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline import training
from touchline.errors import CodeChanged, NotPortable
from touchline.features import ServedView, TrainingSet, decode
from touchline.features.declaration.code_versions import short_hash
from touchline.registry.release.digest import sha256_of
from touchline.registry.release.families import declared_families
from touchline.registry.release.manifest import OnDemandCode, ReleaseManifest
from touchline.registry.release.request_schema import request_schema
from touchline.registry.release.self_test import StoredExamples, broken_transform
from touchline.registry.release.transforms import (
    TRANSFORMS,
    locate_transform,
    release_transforms,
    store_inputs,
    transform_modules,
)
from touchline.storage import parquet_bytes
from touchline.training import (
    CardFacts,
    Metric,
    Task,
    Training,
    TrainingResult,
    build_card,
    constant_predictions,
    labelled_rows,
)

Array = NDArray[np.float64]

_CODE: Final = frozenset({".py", ".yaml", ".yml", ".toml"})
_LARGEST_CODE: Final = 1_000_000
# Fields of a declared training that change no model.
_WITHOUT_EFFECT: Final = {"threads", "learning_curve", "trusted", "baselines", "leak_margins"}


@dataclass(frozen=True)
class Trained:
    """One training with what it was made from.

    `folder` holds the project's own code, `actor` is who asked for it, `training` is the declaration that was followed.
    `code_hash` is that of the code that was loaded; None: whatever the folder holds is taken for it. Without `has_card`
    no model card and no plots are written.
    """

    project: str
    task: Task
    training_set: TrainingSet
    result: TrainingResult
    folder: Path | None = None
    ticket: str | None = None
    description: str = ""
    actor: str = ""
    training: Training | None = None
    has_card: bool = True
    code_hash: str | None = None

    def code(self) -> dict[str, bytes]:
        """The project's own code. Raises `CodeChanged` where the folder no longer holds the code that trained."""
        code = project_code(self.folder)
        if self.code_hash is not None and hash_of_code(code) != self.code_hash:
            raise CodeChanged(self.project, str(self.folder))
        return code


def project_code(folder: Path | None) -> dict[str, bytes]:
    """The project's own code and settings by path; documentation, data, caches and hidden files are left out."""
    if folder is None:
        return {}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _CODE)
    relative = {path.relative_to(folder): path for path in files if path.stat().st_size <= _LARGEST_CODE}
    return {
        name.as_posix(): path.read_bytes()
        for name, path in relative.items()
        if not any(part.startswith((".", "__pycache__")) for part in name.parts)
    }


def code_hash(folder: Path | None) -> str:
    """The hash of a project's code and settings; an edited README does not change it."""
    return hash_of_code(project_code(folder))


def hash_of_code(code: Mapping[str, bytes]) -> str:
    return short_hash({path: sha256_of(data) for path, data in code.items()})


def hashes_of(trained: Trained, code: Mapping[str, bytes]) -> dict[str, str]:
    """Hashes of data, features, code, environment and recipe: what a version was made from."""
    lineage, result = trained.training_set.lineage, trained.result
    features = [lineage.get("views", {}), lineage.get("on_demand", {}), [c.to_json() for c in result.model.columns]]
    libraries = {**result.libraries, "python": platform.python_version(), "machine": platform.machine()}
    return {
        "data": trained.training_set.hash,
        "feature": short_hash(features),
        "code": hash_of_code(code),
        "environment": short_hash(libraries),
        "recipe": short_hash(result.recipe.to_json()),
        "declaration": _declaration_hash(trained, code),
    }


def _declaration_hash(trained: Trained, code: Mapping[str, bytes]) -> str:
    """The hash of what is declared about the model: a retraining on newer data has the same.

    It covers the task, the code of examples, views and transforms, the model's columns without the levels that the
    data gives them, and the declared training. The project's other code counts only where a version cannot tell: for
    an estimator of its own, or where the declaration of the training was not given.
    """
    task, training, lineage = trained.task, trained.training, trained.training_set.lineage
    has_own_families = bool(training and declared_families(training))
    return short_hash(
        {
            "task": [task.type, task.classes, task.ordered, str(task.label_horizon), task.examples.version],
            "features": [lineage.get("views", {}), lineage.get("on_demand", {})],
            "columns": [[column.name, column.kind, column.origin] for column in trained.training_set.columns],
            "training": training.model_dump_json(exclude=_WITHOUT_EFFECT) if training else None,
            "code": hash_of_code(code) if training is None or has_own_families else None,
        }
    )


@dataclass(frozen=True)
class RunDocuments:
    """The documents that the stored files, the MLflow artifacts and the version share.

    `manifest` has no version yet; `card` holds the model card and its plots by file name.
    """

    manifest: ReleaseManifest
    evaluation: Mapping[str, Any]
    card: Mapping[str, bytes]


def write_files(trained: Trained, folder: Path) -> RunDocuments:
    """Write the files of the run below `folder`."""
    code = trained.code()
    manifest = _manifest(trained, hashes_of(trained, code))
    result = trained.result
    result.model.export(folder / "model")
    files = {f"code/{path}": data for path, data in code.items()}
    examples = StoredExamples(result.self_test.vectors, result.self_test.outputs, _transform_inputs(trained))
    files |= {f"{TRANSFORMS}/{name}.py": source for name, source in _portable_modules(trained, manifest, examples)}
    files["profile.npz"] = npz_bytes(**trained.result.profile.to_arrays())
    files["examples.npz"] = npz_bytes(
        vectors=examples.vectors, outputs=examples.outputs, **store_inputs(examples.inputs)
    )
    files["examples.parquet"] = _examples(trained)
    files["contract.schema.json"] = to_json(
        request_schema(trained.project, trained.task, result.model.columns, trained.training_set.frame)
    )
    files["lineage.json"] = to_json({**trained.training_set.lineage, "training_set": trained.training_set.hash})
    files["facts.json"] = manifest.to_bytes()
    files["recipe.json"] = to_json(result.recipe.to_json())
    documents = RunDocuments(manifest, evaluation_record(result), _card_files(trained, manifest))
    files["evaluation.json"] = to_json(documents.evaluation)
    files["predictions.parquet"] = parquet_bytes(predictions_record(trained))
    files |= documents.card
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return documents


def _transform_inputs(trained: Trained) -> dict[str, NDArray[Any]]:
    """The model columns, and the cutoffs, that the transforms take, in the rows of the self-test."""
    added = {name for transform in trained.task.on_demand for name in transform.outputs}
    names = dict.fromkeys(name for transform in trained.task.on_demand for name in transform.inputs)
    taken = [name for name in names if name not in added]
    return trained.training_set.values(taken, trained.result.self_test.places)


def _portable_modules(
    trained: Trained, manifest: ReleaseManifest, examples: StoredExamples
) -> Iterator[tuple[str, bytes]]:
    """The modules of the transforms, proven to compute from their copies what they computed in training."""
    sources = {name: path.read_bytes() for name, path in transform_modules(trained.task.on_demand).items()}
    transforms = release_transforms(manifest.on_demand, sources)
    if broken := broken_transform(transforms, manifest.columns, examples):
        raise NotPortable(*broken)
    yield from sources.items()


def _manifest(trained: Trained, hashes: dict[str, str]) -> ReleaseManifest:
    task, result = trained.task, trained.result
    model = result.model
    return ReleaseManifest(
        project=trained.project,
        version=0,
        semantic_version="",
        run_id="",
        task=model.kind,
        classes=model.classes,
        columns=model.columns,
        inputs=tuple(task.inputs),
        views=tuple(ServedView.of(trained.project, join) for join in task.features),
        on_demand=tuple(
            OnDemandCode(t.name, t.inputs, t.outputs, t.version, *locate_transform(t), t.has_named_arguments)
            for t in task.on_demand
        ),
        transform_modules=tuple(transform_modules(task.on_demand)),
        threshold=model.threshold,
        family=model.family,
        calibrator=model.calibrator.method,
        training_set_hash=trained.training_set.hash,
        trained_at=result.trained_at,
        metrics={name: metric.value for name, metric in result.evaluation.metrics.items() if np.isfinite(metric.value)},
        hashes=hashes,
        libraries={**result.libraries, "python": platform.python_version()},
        example=_example(trained),
    )


def _example(trained: Trained) -> dict[str, Any]:
    """A request that works: the keys and inputs of the newest example."""
    frame, task = trained.training_set.frame, trained.task
    names = [name for name in (*task.entity_columns, *task.inputs) if name in frame.columns]
    if not names or frame.is_empty():
        return {}
    row = frame.select(names).row(-1, named=True)
    return {name: value if isinstance(value, str | int | float | bool) else str(value) for name, value in row.items()}


def evaluation_record(result: TrainingResult) -> dict[str, Any]:
    """The evaluation as the report, the card and MLflow show it."""
    evaluation = result.evaluation
    return {
        "rows": evaluation.rows,
        "clusters": evaluation.clusters,
        "threshold": evaluation.threshold,
        "metrics": metric_record(evaluation.metrics),
        "baseline": metric_record(evaluation.baseline),
        "baselines": {name: metric_record(metrics) for name, metrics in evaluation.baselines.items()},
        "baseline_rows": evaluation.baseline_rows,
        "interval": plain(evaluation.interval),
        "candidates": plain(result.candidates),
        "best_candidate": result.best_candidate,
        "findings": plain(result.findings),
        "diagnostics": plain(result.diagnostics),
        "split": plain(result.split),
        "trained_at": result.trained_at.isoformat(),
        "seconds": result.seconds,
    }


def metric_record(metrics: Mapping[str, Metric]) -> dict[str, dict[str, float | None]]:
    """Metrics as JSON; what is not finite is null."""
    return {
        name: {"value": _finite(metric.value), "low": _finite(metric.low), "high": _finite(metric.high)}
        for name, metric in metrics.items()
    }


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and np.isfinite(number) else None


def predictions_record(trained: Trained) -> pl.DataFrame:
    """Predictions of the evaluation fit and the baselines for the test rows, in time order, with slice values."""
    evaluation = trained.result.evaluation
    frame = evaluation.predictions
    constant = _constant(trained)
    names = [name for name in frame.columns if name.startswith("p_") or name == "value"]
    extra = [pl.lit(value).alias(f"constant_{name}") for name, value in zip(names, constant, strict=True)]
    said = [
        pl.Series(f"over_{baseline}_{name}", values[:, place]).fill_nan(None)
        for baseline, values in evaluation.named.items()
        for place, name in enumerate(names)
    ]
    frame = frame.with_columns(*extra, *said)
    known = trained.training_set.frame
    slices = [name for name in trained.task.slices if name in known.columns]
    if slices:
        values = known.select(
            pl.col("example_id").cast(pl.String),
            *(pl.col(name).cast(pl.String).alias(f"slice_{name}") for name in slices),
        ).unique("example_id", keep="first")
        frame = frame.join(values, on="example_id", how="left", maintain_order="left")
    return frame.sort("cutoff", maintain_order=True)


def _constant(trained: Trained) -> Array:
    """The constant baseline, from the rows of the evaluation fit."""
    rows = labelled_rows(trained.task, trained.training_set, now=trained.result.trained_at)
    return np.asarray(constant_predictions(rows.at(trained.result.rows.train), 1)[0])


def _examples(trained: Trained) -> bytes:
    """The self-test for people: rows as they read, and what the model says to them."""
    model, self_test = trained.result.model, trained.result.self_test
    rows = pl.DataFrame(decode(model.columns, self_test.vectors), infer_schema_length=None)
    outputs = [pl.Series(f"output_{name}", self_test.outputs[:, place]) for place, name in enumerate(model.outputs)]
    return parquet_bytes(rows.with_columns(outputs))


def _card_files(trained: Trained, manifest: ReleaseManifest) -> dict[str, bytes]:
    """The model card before any gate has run: Markdown beside its plots, and one HTML page."""
    if not trained.has_card:
        return {}
    facts = CardFacts(trained.project, trained.description, hashes=manifest.hashes)
    # Read from the room here, so that matplotlib is loaded by the first card and not by every command.
    plots = training.plots(trained.result)
    card = build_card(trained.result, facts, plots)
    figures = {f"plots/{name}": text.encode() for name, text in plots.items()}
    return {"card.md": card.to_markdown().encode(), "card.html": card.to_html().encode(), **figures}


def plain(value: Any) -> Any:
    """Any result as what JSON can say: dataclasses as objects, instants as text, what is not finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return _finite(float(value))
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value.isoformat() if isinstance(value, datetime) else value


def to_json(document: Any) -> bytes:
    """Indented, sorted JSON."""
    return (
        json.dumps(plain(document), indent=1, sort_keys=True, ensure_ascii=False, default=str, allow_nan=False) + "\n"
    ).encode()


def npz_bytes(**arrays: np.ndarray[Any, Any]) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
