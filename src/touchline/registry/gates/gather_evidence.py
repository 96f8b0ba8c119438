"""Gathers the evidence of gates from the stored files of a version's run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import NotComparable, NotEvaluated, ObjectNotFound
from touchline.registry.gates.evidence import Evidence, ReferenceModel
from touchline.registry.gates.spec import Gate
from touchline.registry.gates.window_reuse import count_look
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.registry.release.families import families_of
from touchline.statistics import Dependence, cluster_codes
from touchline.training import Family, Model, Recipe

Array = NDArray[np.float64]
Refit = Callable[[ModelVersion, Recipe], pl.DataFrame]
"""Fits the recipe of the version in Production on the candidate's training rows and predicts its test rows.

Raises `NotComparable` where Production's features cannot be joined to these rows.
"""
_TIMED: Final = 200


def gather_evidence(
    registry: Registry,
    version: ModelVersion,
    gates: Sequence[Gate],
    *,
    production: ModelVersion | None,
    refit: Refit | None,
    families: Mapping[str, Family] | None = None,
) -> Evidence:
    """All that the gates need, and no more: only a comparative gate costs a look and a refit.

    Raises `NotEvaluated` for a version whose run kept no predictions.
    """
    frame = read_predictions(registry, version)
    compares = any(gate.kind == "improves" for gate in gates)
    against = any(gate.kind == "improves" and gate.over == "production" for gate in gates)
    classes = version.classes
    reference, not_comparable = _reference(registry, version, production if against else None, frame, refit)
    return Evidence(
        project=version.project,
        version=version.version,
        metrics={name: metric.value for name, metric in version.metrics.items() if metric.value is not None},
        labels=_labels(frame, classes),
        predictions=_matrix(frame, classes, ""),
        clusters=cluster_codes(cluster_names(frame), frame.height),
        production=reference,
        not_comparable=not_comparable,
        baseline=ReferenceModel("the constant baseline", _matrix(frame, classes, "constant_")),
        named=_named(frame, classes, gates),
        look=count_look(registry.database, version, frame) if compares else 1,
        slices={
            name.removeprefix("slice_"): [str(value) for value in frame[name].to_list()]
            for name in frame.columns
            if name.startswith("slice_")
        },
        measured=_measured(registry, version, {gate.kind for gate in gates}, families),
        approvals=approvals(registry, version),
        stage=version.stage,
        dependence=dependence_of(frame),
        threshold=read_recipe(registry, version).threshold,
    )


def read_predictions(registry: Registry, version: ModelVersion) -> pl.DataFrame:
    """The evaluation fit's predictions of the test rows, in order of time."""
    try:
        data = registry.objects.read(f"{version.object_key}/predictions.parquet")
    except ObjectNotFound as missing:
        raise NotEvaluated(version.project, version.version, "predictions") from missing
    return pl.read_parquet(BytesIO(data))


def dependence_of(frame: pl.DataFrame) -> Dependence:
    """Rows that share one cutoff have no time: their clusters are independent, whatever order they come in."""
    return "serial" if frame["cutoff"].n_unique() > 1 else "none"


def labels_and_predictions(frame: pl.DataFrame, classes: Sequence[str]) -> tuple[Array, Array]:
    """Labels as numbers, and predictions as [rows, outputs]."""
    return _labels(frame, classes), _matrix(frame, classes, "")


def approvals(registry: Registry, version: ModelVersion) -> list[str]:
    """The approvers of the version since its last rejection, in order."""
    names: list[str] = []
    for change in registry.journal.history(version.project):
        if change.version != version.version:
            continue
        if (change.gate_report or {}).get("approval"):
            names.append(change.actor)
        elif change.to_stage == "Archived":
            names.clear()
    return list(dict.fromkeys(names))


def _labels(frame: pl.DataFrame, classes: Sequence[str]) -> Array:
    if not classes:
        return frame["label"].cast(pl.Float64).to_numpy()
    codes = (
        frame["label"].cast(pl.String).replace_strict(list(classes), list(range(len(classes))), return_dtype=pl.Float64)
    )
    return codes.to_numpy()


def _matrix(frame: pl.DataFrame, classes: Sequence[str], prefix: str) -> Array:
    names = [f"{prefix}p_{name}" for name in classes] or [f"{prefix}value"]
    return frame.select(names).to_numpy().astype(np.float64)


def _named(frame: pl.DataFrame, classes: Sequence[str], gates: Sequence[Gate]) -> dict[str, ReferenceModel]:
    """The predictions of the baselines that gates name; those that the evaluation did not store are left out."""
    asked = {gate.over for gate in gates if gate.kind == "improves"} - {"production", "baseline"}
    output = f"p_{classes[0]}" if classes else "value"
    kept = sorted(name for name in asked if f"over_{name}_{output}" in frame.columns)
    return {name: ReferenceModel(f"the baseline {name!r}", _matrix(frame, classes, f"over_{name}_")) for name in kept}


def cluster_names(frame: pl.DataFrame) -> NDArray[Any] | None:
    """The cluster of each row; None, each row its own, where one cluster would hold them all."""
    if frame["cluster"].n_unique() < 2:
        return None
    return np.asarray(frame["cluster"].fill_null("").to_list())


def _reference(
    registry: Registry, version: ModelVersion, production: ModelVersion | None, frame: pl.DataFrame, refit: Refit | None
) -> tuple[ReferenceModel | None, str | None]:
    """Production's predictions, or why there are none."""
    if production is None:
        return None, None
    try:
        return _production(registry, version, production, frame, refit), None
    except NotComparable as reason:
        return None, str(reason)


def _production(
    registry: Registry, version: ModelVersion, production: ModelVersion, frame: pl.DataFrame, refit: Refit | None
) -> ReferenceModel | None:
    """The predictions of Production's recipe for the same rows; stored with the run, so that it is fitted once."""
    key = f"{version.object_key}/opponents/{production.version}.parquet"
    if not registry.objects.exists(key):
        if refit is None:
            raise NotEvaluated(
                version.project,
                version.version,
                f"predictions of Production version {production.version} on its test rows",
            )
        recipe = read_recipe(registry, production)
        buffer = BytesIO()
        refit(production, recipe).write_parquet(buffer)
        registry.objects.write(key, buffer.getvalue())
    predictions_frame = pl.read_parquet(BytesIO(registry.objects.read(key)))
    aligned = frame.select("example_id").join(predictions_frame, on="example_id", how="left", maintain_order="left")
    _validate_complete(version, aligned, f"Production version {production.version}")
    predictions = _matrix(aligned, version.classes, "")
    threshold = read_recipe(registry, production).threshold
    return ReferenceModel(f"Production version {production.version}", predictions, threshold)


def _validate_complete(version: ModelVersion, predictions_frame: pl.DataFrame, whose: str) -> None:
    """Raise `NotEvaluated` where a test row has no prediction to compare with."""
    names = [f"p_{name}" for name in version.classes] or ["value"]
    lacking = predictions_frame.filter(pl.any_horizontal(pl.col(names).is_null() | pl.col(names).is_nan()))[
        "example_id"
    ].to_list()
    if lacking:
        raise NotEvaluated(
            version.project,
            version.version,
            f"prediction of {whose} for {len(lacking)} of {predictions_frame.height} test rows (first: {lacking[0]})",
        )


def read_recipe(registry: Registry, version: ModelVersion) -> Recipe:
    """The recipe and training set of a version."""
    import json

    return Recipe.from_json(json.loads(registry.objects.read(f"{version.object_key}/recipe.json")))


def _measured(
    registry: Registry, version: ModelVersion, kinds: set[str], families: Mapping[str, Family] | None
) -> dict[str, float]:
    found = {}
    if "size" in kinds:
        folder = registry.objects.local_path(f"{version.object_key}/model")
        found["size_mb"] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    if "latency" in kinds:
        found["latency_ms"] = _median_latency_ms(registry, version, families)
    return found


def _median_latency_ms(registry: Registry, version: ModelVersion, families: Mapping[str, Family] | None) -> float:
    folder = registry.objects.local_path(f"{version.object_key}/model")
    model = Model.restore(folder, families_of(folder, families))
    with np.load(registry.objects.local_path(f"{version.object_key}/examples.npz"), allow_pickle=False) as stored:
        row = stored["vectors"][:1]
    model.predict(row)
    took = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        model.predict(row)
        took.append(time.perf_counter() - began)
    return float(np.median(took)) * 1000
