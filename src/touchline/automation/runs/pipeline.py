"""One pass from ingest to promotion in recorded steps; a step whose input did not change finds its earlier result.

The steps of a run are done again when it goes on after a kill, and each has its effect once: snapshots, histories and
training sets are named by content, a training by its key, and the gates' verdict on a version stands in the journal,
written in a transaction that the run's fencing token guards.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from touchline.automation.promotion.promote import Promotion, promote_version
from touchline.automation.promotion.rollouts import check_running, follow_promotion, rolls_out, waiting_reason
from touchline.automation.runs import steps
from touchline.automation.runs.fork import Origin, read_origin
from touchline.automation.runs.kept_candidates import comparison_record, with_kept_candidates
from touchline.automation.runs.kept_settings import search_record, with_kept_settings
from touchline.automation.runs.plan import require_sound
from touchline.automation.runs.recent_candidates import with_recent_candidates
from touchline.automation.runs.records import (
    MOST_ATTEMPTS,
    WAITING,
    EndedInOrder,
    PipelineRuns,
    Run,
    RunRecord,
    RunRequest,
    Status,
)
from touchline.automation.runs.released_views import RenewedView, renew_released_views
from touchline.automation.runs.steps import PipelineContext
from touchline.automation.runs.training_key import training_key
from touchline.errors import GateFailed, LeaseLost, RunStopped, UnknownRun
from touchline.ingest import IngestReport, Snapshot
from touchline.predictions import Settled
from touchline.project import declared_state
from touchline.registry import (
    Decision,
    GateReport,
    ModelVersion,
    Promoted,
    Recorded,
    Trained,
    read_version,
    record_version,
)
from touchline.storage import Lease, hold_lease
from touchline.training import library_versions

if TYPE_CHECKING:
    from touchline.features import FeatureHistory, TrainingSet
    from touchline.registry import StageChange
    from touchline.training import Training

PIPELINE_LEASE: Final = timedelta(minutes=2)


@dataclass(frozen=True)
class PipelineReport:
    """The results of a run. `is_new` is False when an earlier, unchanged training was found.

    `promotion` is None when the version needed no decision, or when a gate refused it; `refusal` then has the reasons.
    `excluded` counts the examples that the declaration left out, by reason. `rollout` says what became of the version's
    rollout, or why it waits for another one's end.
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
    renewed: tuple[RenewedView, ...] = ()
    excluded: Mapping[str, int] = field(default_factory=dict)
    rollout: str | None = None


def run_pipeline(context: PipelineContext, *, trigger: str, actor: str, is_forced: bool = False) -> PipelineReport:
    """Ingest, compute features, train, apply the gates and promote; one run of a project at a time.

    A training that would repeat an earlier one is done again only if `is_forced`. Raises `LeaseHeld` while another
    process runs the project's pipeline, and `InvalidProject` before anything is done for a declaration with mistakes.
    """
    require_sound(context.loaded)
    with pipeline_lease(context, actor) as lease:
        request = RunRequest("retrain", trigger, actor, is_forced=is_forced)
        run, _ = _runs(context).request(request, clock=context.clock)
        return _train_in(context, run, lease, RunRecord.stop_in_order)


def resume_pipeline(context: PipelineContext, run_id: str, *, actor: str) -> PipelineReport | None:
    """Do a training that was asked for, or go on with one whose process died; None where it has ended meanwhile.

    Raises `UnknownRun` for a run of another job, `RunStopped` where the project's code is no longer that under which
    the run began, and where its processes died `MOST_ATTEMPTS` times.
    """
    with pipeline_lease(context, actor) as lease:
        run = _runs(context).find(run_id)
        if run.job != "retrain":
            raise UnknownRun(context.project.name, run_id)
        return _train_in(context, run, lease) if run.status in WAITING else None


def pipeline_lease(context: PipelineContext, actor: str) -> AbstractContextManager[Lease]:
    """The right to run the pipeline of a project; raises `LeaseHeld` while another process has it."""
    holder = f"{actor}@{socket.gethostname()}:{os.getpid()}"
    name = pipeline_lease_name(context.project.name)
    return hold_lease(context.stores.database, name, holder=holder, ttl=PIPELINE_LEASE, clock=context.clock)


def pipeline_lease_name(project: str) -> str:
    return f"{project}:pipeline"


class RunOutgrown(BaseException):
    """A run that its own process ends beyond a declared limit; no `Exception`, which a candidate may fail by."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@contextmanager
def carried_out(
    context: PipelineContext, run: Run, lease: Lease, on_end: Callable[[RunRecord], None] = RunRecord.interrupt
) -> Iterator[RunRecord]:
    """Go on with a run around its work, which finishes the record; a failure is recorded and raised.

    SIGTERM leaves the run to whoever goes on with it, or stops it with `on_end=RunRecord.stop_in_order`.

    Raises `RunStopped` for a run that cannot go on, or outgrows a limit.
    """
    _stop_if_hopeless(context, run)
    record = _runs(context).begin(run, code_hash=context.loaded.code_hash, lease=lease, clock=context.clock)
    try:
        yield record
    except LeaseLost:
        raise  # another process goes on with the run
    except RunOutgrown as end:
        with suppress(LeaseLost):
            record.finish("failed", {"error": end.reason})
        raise RunStopped(context.project.name, run.id, end.reason) from end
    except EndedInOrder:
        on_end(record)
        raise
    except SystemExit as end:  # a source or a view called sys.exit: whoever goes on would meet it again
        reason = f"the project's code ended the process (sys.exit({end.code!r}))"
        with suppress(LeaseLost):
            record.finish("failed", {"error": reason})
        raise RunStopped(context.project.name, run.id, reason) from end
    except KeyboardInterrupt:
        with suppress(LeaseLost):
            record.finish("stopped", {"error": "a person stopped it (Ctrl-C)"})
        raise
    except BaseException as error:
        with suppress(LeaseLost):
            record.finish("failed", {"error": f"{type(error).__name__}: {error}"})
        raise


def _train_in(
    context: PipelineContext, run: Run, lease: Lease, on_end: Callable[[RunRecord], None] = RunRecord.interrupt
) -> PipelineReport:
    with carried_out(context, run, lease, on_end) as record:
        require_sound(context.loaded)
        record.note({"declaration": declared_state(context.project), "code_hash": context.loaded.code_hash})
        report = _run(context, record, is_forced=run.is_forced)
        refusal = {"refused": str(report.refusal)} if report.refusal else {}
        record.finish("refused" if report.refusal else "done", {"is_new": report.is_new, **refusal})
    return report


def _runs(context: PipelineContext) -> PipelineRuns:
    return PipelineRuns(context.stores.database, context.project.name)


def _stop_if_hopeless(context: PipelineContext, run: Run) -> None:
    if run.code_hash is not None and run.code_hash != context.loaded.code_hash:
        status: Status = "stopped"
        reason = "the project's code changed since it began, and a run goes on only under the code that began it"
    elif (died := run.counted_attempts) >= MOST_ATTEMPTS:
        status, reason = "failed", f"its process died {died} times without a word (killed, or out of memory)"
    else:
        return
    _runs(context).end(run.id, status, reason, clock=context.clock)
    raise RunStopped(context.project.name, run.id, reason)


@dataclass(frozen=True)
class _Material:
    """What a training learns from, with the reports of how it came."""

    ingested: tuple[IngestReport, ...]
    histories: Mapping[str, FeatureHistory]
    settled: Settled
    training_set: TrainingSet


def _gather(context: PipelineContext, record: RunRecord, origin: Origin) -> _Material:
    """The steps up to the training set; those that a fork takes over are read again by what they found."""
    with record.step("ingest") as output:
        ingested = () if origin.has("ingest") else steps.ingest_all(context)
        output |= {report.manifest.source: report.manifest.status for report in ingested}
        output |= origin.output("ingest")
    with record.step("features") as output:
        snapshots = _noted_snapshots(context, record, origin)
        histories = steps.compute_features(context, snapshots)
        output |= {name: history.hash for name, history in histories.items()}
        origin.require_same("features", output)
    with record.step("settle") as output:
        examples = steps.current_examples(context, snapshots)
        settled = origin.settled() or steps.settle(context, examples)
        output |= origin.output("settle") or {**asdict(settled), "rollout": _rollout_sentence(context)}
    with record.step("training_set") as output:
        training_set = origin.training_set(context) or steps.assemble_training_set(
            context, examples, snapshots=snapshots, histories=histories
        )
        excluded = {"excluded": dict(training_set.excluded)} if training_set.excluded else {}
        output |= {"hash": training_set.hash, "rows": training_set.frame.height, **excluded}
    return _Material(ingested, histories, settled, training_set)


def _run(context: PipelineContext, record: RunRecord, *, is_forced: bool) -> PipelineReport:
    origin = read_origin(_runs(context), record.run)
    material = _gather(context, record, origin)
    with record.step("train") as output:
        declared = context.project.training
        context = with_kept_settings(context, _runs(context))
        kept = with_kept_candidates(context, _runs(context), record, declared=declared)
        version, is_new = _taken_version(context, record, origin) or _version(
            with_recent_candidates(kept, record),
            record,
            material.training_set,
            declared=declared,
            is_forced=is_forced,
        )
        output |= {"version": version.version, "is_new": is_new}
    with record.step("materialize") as output:
        output |= {done.view: done.written for done in steps.materialize_all(context, material.histories)}
        renewed = renew_released_views(context)
        output |= {f"{one.view} {one.feature_version}": one.failure or one.rows for one in renewed}
    with record.step("promote") as output:
        outcome = _promote(context, version, record, training_set=material.training_set)
        output |= outcome.document()
    return PipelineReport(
        run_id=record.id,
        project=context.project.name,
        trigger=record.trigger,
        ingested=material.ingested,
        settled=material.settled,
        version=read_version(context.stores, context.project.name, version.version),
        is_new=is_new,
        promotion=outcome.promotion.promoted if outcome.promotion else None,
        refusal=outcome.refusal,
        renewed=renewed,
        excluded=material.training_set.excluded,
        rollout=outcome.rollout,
    )


def _noted_snapshots(context: PipelineContext, record: RunRecord, origin: Origin) -> dict[str, Snapshot]:
    """The newest snapshots, or those of the run that this one is a fork of, noted as what this run has seen."""
    snapshots = origin.snapshots(context) or steps.current_snapshots(context)
    record.note({"snapshots": {name: snapshot.hash for name, snapshot in snapshots.items()}})
    return snapshots


def _taken_version(context: PipelineContext, record: RunRecord, origin: Origin) -> tuple[ModelVersion, bool] | None:
    """The version that the run trained which this one is a fork of, where its training is taken over."""
    if not origin.has("train"):
        return None
    version = read_version(context.stores, context.project.name, int(origin.output("train")["version"]))
    record.note({"version": version.version})
    return version, False


def _version(
    context: PipelineContext, record: RunRecord, training_set: TrainingSet, *, declared: Training, is_forced: bool
) -> tuple[ModelVersion, bool]:
    """The version of this training and whether it is new; an earlier run of the same training has it already."""
    project, key = context.project, training_key(context.loaded, training_set.hash, library_versions())
    earlier = None if is_forced else version_of_training(_runs(context), key)
    if earlier is None:
        recorded = _train(context, record, training_set, declared)
        version, is_new = recorded.version, recorded.is_new
    else:
        version, is_new = read_version(context.stores, project.name, earlier), False
    # Noted at once, so that a kill before the run is finished does not cost the training.
    record.note({"training_key": key, "version": version.version})
    return version, is_new


def _train(context: PipelineContext, record: RunRecord, training_set: TrainingSet, declared: Training) -> Recorded:
    """Train, and record the version under the declaration: candidates that a run adds are no other declaration."""
    result = steps.train_candidates(context, training_set)
    choices = search_record(context.project.training, result) | comparison_record(context, result, declared=declared)
    if choices:
        record.note(choices)
    context.on_progress("record the version in MLflow")
    project = context.project
    trained = Trained(
        project.name,
        project.task,
        training_set,
        result,
        context.loaded.folder,
        description=project.description,
        actor=record.run.actor,
        training=declared,
        has_card=context.options.has_diagnostics,
        code_hash=context.loaded.code_hash,
    )
    return record_version(context.stores, trained)


def version_of_training(runs: PipelineRuns, training_key: str) -> int | None:
    """The model version that a run with this training key recorded, however that run ended."""
    found = (run.detail.get("version") for run in runs.with_detail("training_key", value=training_key))
    return next((int(version) for version in found if version is not None), None)


def _rollout_sentence(context: PipelineContext) -> str | None:
    """The verdict on the rollout that runs, which has been checked with the new outcomes."""
    checked = check_running(context)
    return checked.sentence if checked else None


@dataclass(frozen=True)
class _Outcome:
    """What became of a version: its promotion or the gate's refusal, and its rollout in words."""

    promotion: Promotion | None = None
    refusal: GateFailed | None = None
    rollout: str | None = None

    def document(self) -> dict[str, Any]:
        """The step's output."""
        found: dict[str, Any] = {"refused": str(self.refusal)} if self.refusal else {}
        if self.promotion is not None:
            dropped, failure = self.promotion.dropped, self.promotion.cleanup_failure
            found |= {"dropped_features": dropped, "cleanup_failure": failure}
        return found | ({"rollout": self.rollout} if self.rollout else {})


def _promote(
    context: PipelineContext, version: ModelVersion, record: RunRecord, *, training_set: TrainingSet
) -> _Outcome:
    """Promote a version that no gate has seen; a second comparison would spend the gates' alpha."""
    run = record.run
    decision = Decision(run.actor, f"trigger: {run.trigger}", fence=record.require_lease)
    stores, project = context.stores, context.project.name
    changes = [change for change in stores.journal.history(project) if change.version == version.version]
    if version.stage != "None" or changes:
        return _after_death(context, version, decision, newest=_of_this_run(run, changes))
    if (reason := waiting_reason(context)) is not None:
        return _Outcome(rollout=f"version {version.version} stays in None: {reason}")
    context.on_progress("gates")
    try:
        promotion = promote_version(context, version, decision, training_set=training_set)
    except GateFailed as refusal:
        return _Outcome(refusal=refusal)
    followed = follow_promotion(context, promotion.promoted, actor=decision.actor)
    return _Outcome(promotion.followed_by(followed.promotion), rollout=followed.message)


def _of_this_run(run: Run, changes: Sequence[StageChange]) -> StageChange | None:
    """The newest change of a version, where an earlier attempt of this run wrote it before it died."""
    if not changes or run.attempts < 2 or run.started_at is None or changes[-1].wall_at < run.started_at:
        return None
    return changes[-1]


def _after_death(
    context: PipelineContext, version: ModelVersion, decision: Decision, *, newest: StageChange | None
) -> _Outcome:
    """What the gates' recorded verdict says, and what had to follow it but did not before the process died."""
    if newest is None or newest.gate_report is None:
        return _Outcome()
    report = GateReport.from_json(newest.gate_report)
    if newest.from_stage == newest.to_stage:
        project, overruled = context.project.name, report.can_be_overruled
        return _Outcome(
            refusal=GateFailed(project, version.version, newest.to_stage, report.failures, can_be_overruled=overruled)
        )
    promoted = Promoted(version, (newest,), report)
    if version.stage != "Staging" or rolls_out(context, version):
        return _Outcome(Promotion(promoted))
    followed = follow_promotion(context, promoted, actor=decision.actor)
    return _Outcome(Promotion(promoted).followed_by(followed.promotion), rollout=followed.message)
