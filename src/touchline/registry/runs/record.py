"""A training enters the registry: files, MLflow run, MLflow version, and last the row that makes it count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from touchline.errors import ObjectNotFound
from touchline.features.declaration.code_versions import short_hash
from touchline.registry.journal.versions import (
    MetricValue,
    ModelVersion,
    Registry,
    add_version,
    find_version,
    read_version,
)
from touchline.registry.runs.file_list import write_file_list
from touchline.registry.runs.mlflow_copies import write_mlflow_hashes
from touchline.registry.runs.run_files import (
    RunDocuments,
    Trained,
    hashes_of,
    to_json,
    write_files,
)
from touchline.registry.runs.semantic_version import next_semantic_version
from touchline.registry.runs.tracking import ChildRun, LoggedRun, RunLog, RunStatus, mlflow_values
from touchline.training import CandidateReport

# A trial that was pruned did not fail: it was stopped because it could not win.
_STATUSES: Final[dict[str, RunStatus]] = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}


@dataclass(frozen=True)
class Recorded:
    """The version a training became. `is_new` is false when the same training had been recorded before."""

    version: ModelVersion
    is_new: bool


def record_version(registry: Registry, trained: Trained) -> Recorded:
    """Register a training. The same training recorded twice is one version, also after a kill in between.

    Raises `TrackingUnavailable` when MLflow stays away: then nothing counts as registered, and the files
    written so far are found again by the next attempt.
    """
    key = run_key(trained)
    object_key = f"{trained.project}/runs/{key}"
    if (number := find_version(registry, trained.project, object_key)) is not None:
        return Recorded(read_version(registry, trained.project, number), is_new=False)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        documents = write_files(trained, folder)
        _store(registry, object_key, folder)
        write_file_list(registry.objects, object_key)
        logged = registry.tracking.log_run(_run_log(registry, trained, documents, key, folder))
        write_mlflow_hashes(registry, object_key, logged)
    add_version(registry, trained.project, logged.version, _new_version(trained, documents, object_key, logged))
    return Recorded(read_version(registry, trained.project, logged.version), is_new=True)


def run_key(trained: Trained) -> str:
    """Names a training by what went into it and when."""
    hashes = hashes_of(trained, trained.code())
    return short_hash([trained.project, hashes, trained.result.trained_at.isoformat()])


def _store(registry: Registry, object_key: str, folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        registry.objects.write_file(f"{object_key}/{path.relative_to(folder).as_posix()}", path)


def _run_log(registry: Registry, trained: Trained, documents: RunDocuments, key: str, folder: Path) -> RunLog:
    result = trained.result
    return RunLog(
        project=trained.project,
        key=key,
        name=f"{result.best_candidate} {result.trained_at:%Y-%m-%d %H:%M}",
        params=_params(trained),
        metrics=_metrics(trained, documents.evaluation),
        tags=_tags(trained, documents.manifest.hashes),
        model=result.model,
        example=result.self_test.vectors[:5].tolist(),
        files=_artifacts(trained, documents, folder.parent / "artifacts"),
        dataset={
            "name": f"{trained.project} training set",
            "digest": trained.training_set.hash,
            "source": _uri(registry, f"{trained.project}/training_sets/{trained.training_set.hash}.parquet"),
            "rows": str(trained.training_set.frame.height),
        },
        ended_at_ms=int(registry.clock.wall().timestamp() * 1000),
        seconds=result.seconds,
        children=_children(trained),
        description=_description(trained),
        about=trained.description,
    )


def _params(trained: Trained) -> dict[str, str]:
    recipe, split = trained.result.recipe, trained.result.split
    params: dict[str, Any] = {
        "candidate": recipe.candidate,
        "family": recipe.family,
        "seed": recipe.seed,
        "calibration": recipe.calibration,
        "class_weight": recipe.class_weight or "none",
        "smote": recipe.smote,
        "threshold": recipe.threshold,
        "columns": len(recipe.columns),
        "split": split.method,
        **{f"model.{name}": value for name, value in recipe.params.items()},
    }
    for part in split.parts:
        params[f"{part.name}.rows"] = part.rows
        if part.first_cutoff is not None:
            params |= {f"{part.name}.from": part.first_cutoff, f"{part.name}.to": part.last_cutoff}
    return mlflow_values(params)


def _metrics(trained: Trained, record: Mapping[str, Any]) -> dict[str, float]:
    """Test metrics by their name, the ends of their intervals, and what the constant baseline scores."""
    evaluation = trained.result.evaluation
    found: dict[str, float] = {"test_rows": evaluation.rows, "test_clusters": evaluation.clusters}
    for name, metric in record["metrics"].items():
        ends = {name: metric["value"], f"{name}_low": metric["low"], f"{name}_high": metric["high"]}
        found |= {key: value for key, value in ends.items() if value is not None}
    for name, metric in record["baseline"].items():
        if metric["value"] is not None:
            found[f"baseline_{name}"] = metric["value"]
    return {**found, "training_seconds": trained.result.seconds}


def _tags(trained: Trained, hashes: Mapping[str, str]) -> dict[str, str]:
    tags = {f"touchline.{name}_hash": value for name, value in hashes.items()}
    tags |= {"touchline.project": trained.project, "touchline.trained_at": trained.result.trained_at.isoformat()}
    if trained.actor:
        tags["mlflow.user"] = trained.actor
    if trained.ticket:
        tags["touchline.ticket"] = trained.ticket
    return tags


def _artifacts(trained: Trained, documents: RunDocuments, folder: Path) -> Path:
    folder.mkdir()
    result, manifest = trained.result, documents.manifest
    features = [
        {"name": c.name, "kind": c.kind, "origin": c.origin, "levels": list(c.levels)} for c in manifest.columns
    ]
    contents: dict[str, Any] = {
        "evaluation.json": documents.evaluation,
        "metadata.json": {
            "project": trained.project,
            "task": manifest.task,
            "classes": list(manifest.classes),
            "trained_at": result.trained_at,
            "recipe": result.recipe.to_json(),
            "hashes": manifest.hashes,
            "libraries": manifest.libraries,
            "ticket": trained.ticket,
        },
        "features.json": features,
        "lineage.json": trained.training_set.lineage,
    }
    files = {**{name: to_json(content) for name, content in contents.items()}, **documents.card}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _uri(registry: Registry, key: str) -> str:
    """The path of an object; its key where it is not stored."""
    try:
        return registry.objects.local_path(key).as_uri()
    except ObjectNotFound:
        return key


def _children(trained: Trained) -> list[ChildRun]:
    """Every candidate as a run of its own below the training."""
    return [
        ChildRun(
            name=report.name,
            params=mlflow_values({"candidate": report.name, "calibration": report.calibration, **_settings(report)}),
            metrics=_finite({f"validation_{name}": value for name, value in report.metrics.items()}),
            seconds=report.seconds,
            tags={"touchline.candidate": report.name, **({"touchline.error": report.error} if report.error else {})},
            status="FINISHED" if report.error is None else "FAILED",
            children=_trials(report),
            description=_candidate_note(report, is_chosen=report.name == trained.result.best_candidate),
        )
        for report in trained.result.candidates
    ]


def _settings(report: CandidateReport) -> dict[str, Any]:
    """The candidate's parameters, and how they were searched for."""
    tuning = report.tuning
    if tuning is None:
        return dict(report.params)
    search = {
        "sampler": tuning.sampler,
        "optuna": tuning.optuna,
        "trials": len(tuning.trials),
        "resumed": tuning.resumed,
    }
    return {**report.params, **{f"search.{name}": value for name, value in search.items()}}


def _candidate_note(report: CandidateReport, *, is_chosen: bool) -> str:
    """The result of a candidate in words."""
    if report.error is not None:
        return f"Candidate {report.name} did not finish: {report.error}"
    score = "" if report.score is None else f", score {report.score:.4g} on the validation windows (lower is better)"
    tried = f", the best of {len(report.tuning.trials)} settings tried" if report.tuning else ""
    fate = "It was chosen." if is_chosen else "Another candidate was better."
    corrected = "" if report.calibration == "none" else f"; its probabilities are corrected by {report.calibration}"
    return f"Candidate {report.name}{score}{tried}{corrected}. {fate}"


def _trials(report: CandidateReport) -> list[ChildRun]:
    """Every setting that was tried for a candidate, as a run of its own below it."""
    return [
        ChildRun(
            name=f"{report.name} trial {trial.number}",
            params=mlflow_values(trial.params),
            metrics={} if trial.score is None else {"validation_score": float(trial.score)},
            seconds=trial.seconds,
            tags={"touchline.trial": str(trial.number), "touchline.state": str(trial.state)},
            status=_STATUSES[trial.state],
            description=f"Setting {trial.number} of {report.name}: {trial.state}. `validation_score`: lower is better.",
        )
        for trial in (report.tuning.trials if report.tuning else ())
    ]


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if isfinite(value)}


def _description(trained: Trained) -> str:
    result = trained.result
    test = result.split.part("test")
    figures = ", ".join(
        f"{name} {metric.value:.4g} (constant {result.evaluation.baseline[name].value:.4g})"
        for name, metric in list(result.evaluation.metrics.items())[:4]
        if name in result.evaluation.baseline
    )
    return (
        f"{trained.project}: {result.best_candidate}, the best of {len(result.candidates)} candidates. "
        f"On {test.rows} test examples that no fit had seen: {figures}. "
        f"Registered by touchline; its stages are in the tags and aliases of the model version."
    )


def _new_version(
    trained: Trained, documents: RunDocuments, object_key: str, logged: LoggedRun
) -> Callable[[ModelVersion | None], ModelVersion]:
    """The version of this training as a successor of the newest one."""
    record, manifest, test = documents.evaluation, documents.manifest, trained.result.split.part("test")
    version = ModelVersion(
        project=trained.project,
        version=logged.version,
        semantic_version="1.0.0",
        run_id=logged.run_id,
        name=trained.result.best_candidate,
        training_set_hash=trained.training_set.hash,
        created_at=trained.result.trained_at,
        object_key=object_key,
        hashes=dict(manifest.hashes),
        task=manifest.task,
        metrics={name: MetricValue(**metric) for name, metric in record["metrics"].items()},
        baseline={name: MetricValue(**metric) for name, metric in record["baseline"].items()},
        classes=manifest.classes,
        request_fields=(*manifest.entity_columns, *manifest.inputs),
        rows=record["rows"],
        clusters=record["clusters"],
        test_from=test.first_cutoff,
        test_to=test.last_cutoff,
        ticket=trained.ticket,
    )

    def after(last: ModelVersion | None) -> ModelVersion:
        if last is None:
            return version
        return replace(version, semantic_version=next_semantic_version(last.semantic_version, last, version))

    return after
