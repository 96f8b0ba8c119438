"""One pass from ingest to gate: named, recorded steps, each found again when its input has not changed."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from touchline.automation import steps
from touchline.automation.run_records import PipelineRecord, last_version_of
from touchline.automation.steps import PipelineContext
from touchline.errors import GateFailed, ReleaseNotFound
from touchline.features import read_training_set
from touchline.ingest import IngestReport
from touchline.monitoring import DriftVerdict, check_release_drift
from touchline.predictions import Settled
from touchline.project import declared_state
from touchline.registry import (
    Decision,
    Judges,
    Material,
    ModelVersion,
    Promoted,
    Recorded,
    Refit,
    Registry,
    Trained,
    declared_families,
    find_release,
    promote,
    read_version,
    record_version,
    refitter,
)
from touchline.statistics import Profile
from touchline.storage import hold_lease
from touchline.training import Recipe

_LEASE_TTL = timedelta(minutes=10)

if TYPE_CHECKING:
    import polars as pl

    from touchline.features import FeatureHistory, TrainingSet
    from touchline.project import Project


@dataclass(frozen=True)
class PipelineReport:
    """What a run did. `is_new` is False when an unchanged training was found again.

    `promotion` is None when there was nothing to decide, or a gate said no: `refusal` then has the reasons.
    """

    run_id: str
    project: str
    trigger: str
    ingested: tuple[IngestReport, ...]
    settled: Settled
    version: ModelVersion
    is_new: bool
    promotion: Promoted | None
    refusal: GateFailed | None


def run_pipeline(context: PipelineContext, *, trigger: str, actor: str, is_forced: bool = False) -> PipelineReport:
    """Ingest, compute, train, apply the gates and promote, recorded step by step; one run of a project at a time.

    A training that would repeat an earlier one is not done again unless `is_forced`. A kill at any step leaves
    what was finished; the same call carries on from there. Raises `LeaseHeld` while another process runs the
    pipeline of this project.
    """
    project, database = context.project.name, context.stores.database
    holder = f"{actor}@{socket.gethostname()}:{os.getpid()}"
    with hold_lease(database, f"{project}:pipeline", holder=holder, ttl=_LEASE_TTL, clock=context.clock) as lease:
        record = PipelineRecord(database, context.clock, lease, project=project, trigger=trigger)
        record.note({"declaration": declared_state(context.project), "code_hash": context.loaded.code_hash})
        try:
            report = _run(context, record, actor=actor, is_forced=is_forced)
        except BaseException as failed:
            record.finish("failed", {"error": f"{type(failed).__name__}: {failed}"})
            raise
        record.finish("refused" if report.refusal else "done", {"is_new": report.is_new})
    return report


def check_production_drift(project: Project, registry: Registry) -> DriftVerdict:
    """Judge what Production was asked and answered since the last verdict, against the profile in its release."""
    version = read_version(registry, project.name, "Production")
    release = find_release(registry, version.release_id or "")
    if release is None:
        raise ReleaseNotFound(project.name, version.release_id or "of Production")
    return check_release_drift(
        registry.database,
        project.name,
        release.id,
        profile=_profile(release.path / "profile.npz"),
        rule=project.monitoring.drift,
        clock=registry.clock,
    )


def _profile(path: Path) -> Profile:
    with np.load(path, allow_pickle=False) as arrays:
        return Profile.from_arrays(arrays)


def training_key(context: PipelineContext, training_set: TrainingSet) -> str:
    """Names a training by all that decides its result: data, declaration, code and libraries."""
    libraries = {name: installed_version(name) for name in ("touchline", "scikit-learn", "lightgbm", "numpy")}
    parts = (
        training_set.hash,
        context.project.training.model_dump_json(),
        context.loaded.code_hash,
        sorted(libraries.items()),
    )
    return sha256(repr(parts).encode()).hexdigest()[:32]


def _run(context: PipelineContext, record: PipelineRecord, *, actor: str, is_forced: bool) -> PipelineReport:
    with record.step("ingest") as output:
        ingested = steps.ingest_all(context)
        output |= {report.manifest.source: report.manifest.status for report in ingested}
    with record.step("features") as output:
        snapshots = steps.current_snapshots(context)
        histories = steps.compute_features(context, snapshots)
        output |= {name: history.hash for name, history in histories.items()}
    with record.step("settle") as output:
        examples = steps.current_examples(context, snapshots)
        settled = steps.settle(context, examples)
        output |= asdict(settled)
    with record.step("training_set") as output:
        training_set = steps.assemble_training_set(context, examples, snapshots, histories)
        output |= {"hash": training_set.hash, "rows": training_set.frame.height}
    with record.step("train") as output:
        version, is_new = _version(context, record, training_set, actor=actor, is_forced=is_forced)
        output |= {"version": version.version, "is_new": is_new}
    with record.step("materialize") as output:
        output |= _materialize(context, histories)
    with record.step("promote") as output:
        decision = Decision(actor, reason=f"trigger: {record.trigger}")
        promotion, refusal = _promote(context, version, training_set, decision)
        output |= {"refused": str(refusal)} if refusal else {}
    final = read_version(context.stores, context.project.name, version.version)
    return PipelineReport(
        record.id, context.project.name, record.trigger, ingested, settled, final, is_new, promotion, refusal
    )


def _promote(
    context: PipelineContext, version: ModelVersion, training_set: TrainingSet, decision: Decision
) -> tuple[Promoted | None, GateFailed | None]:
    """Judge a version that was never judged; looking again at one that was would spend the gates' alpha."""
    registry = context.stores
    changes = registry.journal.history(context.project.name)
    if version.stage != "None" or any(change.version == version.version for change in changes):
        return None, None
    context.on_progress("gates")
    judges = _judges(context, version, _material(context, training_set))
    try:
        return promote(registry, context.project.name, version.version, decision, judges=judges), None
    except GateFailed as refusal:
        return None, refusal


def judges_of(context: PipelineContext, version: ModelVersion) -> Judges:
    """The declared gates, and Production's recipe fitted again on the version's own training set."""
    return _judges(context, version, material_of(context, version))


def _judges(context: PipelineContext, version: ModelVersion, material: Material | None) -> Judges:
    families = declared_families(context.project.training)
    return Judges(context.project.gates, _refitter(context, version, material) if material else None, families)


def material_of(context: PipelineContext, version: ModelVersion) -> Material | None:
    """What the version was made from, as declared now; None when its training set is no longer kept."""
    training_set = read_training_set(version.training_set_hash, project=context.project.name, stores=context.stores)
    return None if training_set is None else _material(context, training_set)


def _material(context: PipelineContext, training_set: TrainingSet) -> Material:
    project = context.project
    return Material(project.task, project.training, training_set, declared_families(project.training))


def _refitter(context: PipelineContext, version: ModelVersion, material: Material) -> Refit:
    fit_again = refitter(version, material)

    def refitted(recipe: Recipe) -> pl.DataFrame:
        context.on_progress("fitting Production's recipe on the same rows")
        return fit_again(recipe)

    return refitted


def _version(
    context: PipelineContext, record: PipelineRecord, training_set: TrainingSet, *, actor: str, is_forced: bool
) -> tuple[ModelVersion, bool]:
    """The version of this training: an earlier run's of the same training, else a new one."""
    project, key = context.project, training_key(context, training_set)
    known = None if is_forced else last_version_of(context.stores.database, project.name, key)
    if known is None:
        recorded = _train(context, training_set, actor=actor)
        version, is_new = recorded.version, recorded.is_new
    else:
        version, is_new = read_version(context.stores, project.name, known), False
    # Noted at once: a kill before the run is finished must not cost the training.
    record.note({"training_key": key, "version": version.version})
    return version, is_new


def _train(context: PipelineContext, training_set: TrainingSet, *, actor: str) -> Recorded:
    result = steps.train_candidates(context, training_set)
    context.on_progress("record the version in MLflow")
    project = context.project
    trained = Trained(
        project.name,
        project.task,
        training_set,
        result,
        context.loaded.folder,
        description=project.description,
        actor=actor,
    )
    return record_version(context.stores, trained)


def _materialize(context: PipelineContext, histories: Mapping[str, FeatureHistory]) -> dict[str, Any]:
    return {done.view: done.written for done in steps.materialize_all(context, histories)}
