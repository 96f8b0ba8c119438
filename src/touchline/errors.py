"""Every error touchline raises on purpose.

    TouchlineError
    ├── UsageError                 the person's input is wrong (exit code 2)
    │   ├── InvalidSetting
    │   ├── InvalidProject, ProjectNotFound, ProjectExists, NothingToLearnFrom, UnknownName, InvalidInstant
    │   ├── ClockNotFrozen, ClockRunsForward
    │   ├── UnknownPlugin
    │   ├── InvalidContract, ColumnUnknown, SnapshotNotFound, ManifestNotFound
    │   ├── VersionNotFound, ReasonMissing, IllegalStageChange, NotPortable
    │   ├── RunNotFound, InvalidFilter, FolderNotEmpty
    │   ├── EntityKeyMissing
    │   ├── UnknownScore, CandidateUnfit
    │   ├── DriftColumnUnknown
    │   └── MissingDependency
    ├── PortTaken, ProcessFailed, ServerUnreachable, ServerRefused
    ├── GateFailed                 a gate said no (exit code 3)
    ├── StageConflict, NotEvaluated, ReleaseTampered, ReleaseBroken
    ├── TrackingUnavailable, TrackingMismatch
    ├── TooFewExamples, OneClassOnly, LabelsUnusable, LeakageFound
    ├── BudgetExceeded, NoCandidateWorked
    ├── ModelDamaged, ModelMismatch
    ├── TooFewClusters, ProfileMismatch
    ├── ColumnsMismatch, BatchRejected, ColumnRetyped
    ├── SourceFileMissing, SourceFileEmpty, SourceFileUnreadable, ProviderFailed
    ├── SourceUnavailable
    │   └── RequestBudgetSpent
    ├── BackendUnavailable (DatabaseBusy), DiskFull
    ├── SchemaMismatch (DatabaseAhead, DatabaseBehind)
    ├── ObjectNotFound, InvalidObjectKey, LeaseHeld, LeaseLost
    ├── UnknownPrediction, WrongLabel, MissingColumns, KeyRequired, KeyNotFound (usage), ReleaseNotFound, NotReplayable
    └── …

A message says what happened to which thing, the value found and the value allowed, and the next step.
It is built in the class, so that every call site raises the same words; the facts stay as attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches


def nearest(name: str, known: Collection[str]) -> str:
    """A sentence that points to the nearest valid name, or lists the valid ones."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(sorted(known)) or 'none'}."


class TouchlineError(Exception):
    """Base of every error touchline raises on purpose."""


class UsageError(TouchlineError):
    """The person's input is wrong; running it again unchanged fails again."""


# --- settings and plugins -------------------------------------------------------------------------


class InvalidSetting(UsageError):
    def __init__(self, variable: str, found: str, reason: str) -> None:
        self.variable = variable
        super().__init__(f"Setting {variable} is {found}: {reason}. Change it in the environment.")

    @classmethod
    def unknown(cls, variable: str, known: Collection[str]) -> InvalidSetting:
        return cls(variable, "not a setting", nearest(variable, known).rstrip("."))


class UnknownPlugin(UsageError):
    def __init__(self, group: str, name: str, installed: Sequence[str]) -> None:
        self.group, self.name = group, name
        super().__init__(f"No backend {name!r} is installed for {group}. {nearest(name, installed)}")


class MissingDependency(UsageError):
    def __init__(self, what: str, module: str, extras: Sequence[str]) -> None:
        self.module = module
        extra = f"touchline[{','.join(extras)}]" if extras else module
        super().__init__(
            f"{what} needs the module {module!r}, which is not installed. Install it: pip install '{extra}'"
        )


# --- storage --------------------------------------------------------------------------------------


class BackendUnavailable(TouchlineError):
    """A database or store does not answer or refuses; nothing of the interrupted write was kept."""

    def __init__(self, what: str, reason: str, next_step: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what} is not available: {reason}. {next_step}")


class DatabaseBusy(BackendUnavailable):
    def __init__(self, what: str, waited_seconds: float) -> None:
        super().__init__(
            what,
            f"another process held the write lock for more than {waited_seconds:g} s",
            "Nothing was written; look for a process that hangs (`touchline doctor`) and run the command again.",
        )


class DiskFull(TouchlineError):
    """There is no room for a write; what was stored before is untouched."""

    def __init__(self, what: str, place: str) -> None:
        self.what, self.place = what, place
        super().__init__(
            f"No space left to write {what} in {place}. What was stored before is untouched; "
            "free some space or raise the quota, then run the same command again."
        )


class SchemaMismatch(TouchlineError):
    """The database's tables and this version of touchline do not fit each other."""


class DatabaseAhead(SchemaMismatch):
    def __init__(self, database: str, found: str, known: str) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"{database} was written by a newer touchline: its schema is {found}, this version knows up to {known}. "
            "Nothing was changed; install the newer touchline, or restore a backup from before it."
        )


class DatabaseBehind(SchemaMismatch):
    def __init__(self, database: str, found: str | None, needed: str) -> None:
        self.found, self.needed = found, needed
        super().__init__(
            f"{database} has schema {found or 'none'}, this version of touchline needs {needed}. Run: touchline migrate"
        )


class ObjectNotFound(TouchlineError):
    def __init__(self, key: str, store: str) -> None:
        self.key = key
        super().__init__(
            f"No object {key!r} in {store}. It was never written there or was deleted; "
            "check TOUCHLINE_HOME and TOUCHLINE_OBJECTS_URL, or restore it from a backup."
        )


class InvalidObjectKey(TouchlineError):
    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"{key!r} cannot name an object: a key is a relative path with '/' between parts and no part "
            "that is empty, '.' or '..'."
        )


class LeaseHeld(TouchlineError):
    def __init__(self, name: str, holder: str, expires_at: datetime) -> None:
        self.name, self.holder, self.expires_at = name, holder, expires_at
        super().__init__(
            f"{name} is being done by {holder} (until {expires_at:%Y-%m-%d %H:%M:%S} UTC unless it goes on). "
            "Wait for it to end, then run the command again."
        )


class LeaseLost(TouchlineError):
    def __init__(self, name: str, token: int) -> None:
        self.name, self.token = name, token
        super().__init__(
            f"The lease {name} (token {token}) passed to another process while this one stood still. "
            "Nothing more was written by this one; run the command again."
        )


# --- contracts and ingest -------------------------------------------------------------------------


class InvalidContract(UsageError):
    def __init__(
        self, contract: str, field: str | None, *, file: str, line: int | None, what: str, next_step: str
    ) -> None:
        self.contract, self.field, self.file, self.line = contract, field, file, line
        where = f"{file}:{line}" if line else file
        name = f"{contract}.{field}" if field else contract
        super().__init__(f"{where}: contract {name}: {what}. {next_step}")


class ColumnsMismatch(TouchlineError):
    """A file has columns the contract does not know, or lacks some it needs."""

    def __init__(self, table: str, *, missing: Sequence[str], extra: Sequence[str], known: Collection[str]) -> None:
        self.missing, self.extra = tuple(missing), tuple(extra)
        parts = []
        if missing:
            parts.append(f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}")
        if extra:
            parts.append(f"has the unknown column{'s' if len(extra) > 1 else ''} {', '.join(map(repr, extra))}")
        closest = [
            f"{name!r} may be {get_close_matches(name, missing, n=1)[0]!r}"
            for name in extra
            if get_close_matches(name, missing, n=1)
        ]
        hint = f" ({'; '.join(closest)})" if closest else ""
        super().__init__(
            f"{table} {' and '.join(parts)}{hint}. The contract's columns: {', '.join(known)}. Rename columns in the "
            f"provider (rename=, ignore=) or change the contract; nothing was stored."
        )


class ColumnUnknown(UsageError):
    def __init__(self, table: str, column: str, known: Collection[str]) -> None:
        self.table, self.column = table, column
        super().__init__(f"{table} has no column {column!r}. {nearest(column, known)}")


class SourceFileMissing(TouchlineError):
    def __init__(self, table: str, pattern: str, folder: object) -> None:
        self.table, self.pattern = table, pattern
        super().__init__(
            f"{table}: no file matches {pattern!r} (looked from {folder}). "
            f"Put the file there or correct the provider's path; nothing was changed."
        )


class SourceFileEmpty(TouchlineError):
    def __init__(self, table: str, name: str) -> None:
        self.table, self.name = table, name
        super().__init__(
            f"{table}: {name} has no rows. A source with nothing in it is taken for a fault: "
            f"check how the file was made; nothing was changed."
        )


class SourceFileUnreadable(TouchlineError):
    def __init__(self, table: str, name: str, what: str, next_step: str) -> None:
        self.table, self.name = table, name
        super().__init__(f"{table}: {name} cannot be read: {what}. {next_step} Nothing was changed.")


class SourceUnavailable(TouchlineError):
    """The origin did not answer; when it is `temporary`, the last snapshot stands in."""

    def __init__(
        self, table: str, reason: str, next_step: str, *, temporary: bool = False, request_count: int = 0
    ) -> None:
        self.table, self.reason = table, reason
        self.temporary, self.request_count = temporary, request_count
        super().__init__(f"{table}: the origin is not available: {reason}. {next_step}")


class RequestBudgetSpent(SourceUnavailable):
    def __init__(self, table: str, used: int, budget: int, *, request_count: int) -> None:
        self.used, self.budget = used, budget
        super().__init__(
            table,
            f"{used} of the {budget} requests allowed today are used",
            "Wait until 00:00 UTC or raise daily_requests in the provider.",
            temporary=True,
            request_count=request_count,
        )


class ProviderFailed(TouchlineError):
    def __init__(self, table: str, provider: str, failure: Exception) -> None:
        self.table = table
        super().__init__(
            f"{table}: {provider} failed with {type(failure).__name__}: {failure}. "
            f"Correct the provider or its function in project.py; nothing was changed."
        )


class BatchRejected(TouchlineError):
    """A batch that breaks its contract too often, or as a whole; the table stays as it was."""

    def __init__(self, table: str, reasons: str, *, snapshot: int | None, next_step: str) -> None:
        self.table, self.snapshot = table, snapshot
        stands = "nothing is stored yet" if snapshot is None else f"the stored table is still snapshot {snapshot}"
        super().__init__(f"{table}: {reasons}. The batch was rejected; {stands}. {next_step}")


class ColumnRetyped(TouchlineError):
    def __init__(self, source: str, column: str, stored: str, wanted: str) -> None:
        self.source, self.column = source, column
        super().__init__(
            f"{source}.{column} is stored as {stored} and cannot become {wanted}. "
            f"Give the column or the source a new name, or take the old type back; nothing was changed."
        )


class SnapshotNotFound(UsageError):
    def __init__(self, project: str, source: str, hash: str | None) -> None:
        self.project, self.source, self.hash = project, source, hash
        if hash is None:
            text = f"{project}.{source} has no snapshot yet. Run: touchline ingest -p {project}"
        else:
            text = (
                f"{project}.{source} has no snapshot, or more than one, whose hash begins with {hash!r}. "
                f"Known ones: touchline data show {source} -p {project}"
            )
        super().__init__(text)


class ManifestNotFound(UsageError):
    def __init__(self, manifest_id: str) -> None:
        self.manifest_id = manifest_id
        super().__init__(f"No ingest {manifest_id!r} is recorded. Known ones: touchline data log")


# --- features -------------------------------------------------------------------------------------


class FeatureNotFound(UsageError):
    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Feature {name!r} is not declared in any feature view. {nearest(name, known)}")


class ViewNotFound(UsageError):
    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Feature view {name!r} is not declared. {nearest(name, known)}")


class EntityNotFound(UsageError):
    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Entity {name!r} is not declared. {nearest(name, known)}")


class InvalidView(UsageError):
    """A feature view (or examples, or an on-demand transform) that cannot be right as declared."""

    def __init__(self, view: str, found: str, next_step: str) -> None:
        self.view = view
        super().__init__(f"View {view!r} {found}. {next_step}")


class LooksAhead(InvalidView):
    """A view whose values at an instant change when later rows are taken away."""

    def __init__(self, view: str, feature: str, instant: str, facts: str) -> None:
        self.feature, self.instant = feature, instant
        super().__init__(
            view,
            f"looks into the future: its feature {feature!r} at {instant} {facts}",
            "Compute each row from rows with the same or an earlier event_timestamp only.",
        )


class InvalidEntityKey(UsageError):
    def __init__(self, view: str, key: str, found: object, allowed: str) -> None:
        self.view, self.key = view, key
        super().__init__(
            f"View {view!r}: entity key {key!r} is {found!r} ({type(found).__name__}); it must be {allowed}."
        )


class EntityKeyMissing(UsageError):
    def __init__(self, view: str, missing: Sequence[str]) -> None:
        self.view, self.missing = view, tuple(missing)
        wanted = " ".join(f"{name}=VALUE" for name in missing)
        super().__init__(f"View {view!r} looks an entity up by {', '.join(missing)}, which is not given. Add: {wanted}")


class FeatureNotANumber(UsageError):
    def __init__(self, column: str, found: object) -> None:
        self.column = column
        super().__init__(f"Column {column!r} is {found!r} ({type(found).__name__}); it must be a number or null.")


class InvalidEntityRows(UsageError):
    """Entity rows of a historical request that no join can be made with."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The entity rows {found}. Give pandas, Polars, Arrow, a Parquet path or SQL, with the join keys and "
            "one column of instants (or one named event_timestamp)."
        )


class SourceFormatNotRead(UsageError):
    def __init__(self, where: str, found: str) -> None:
        super().__init__(f"The source {where} is in {found}; this offline store reads Parquet. Convert it to Parquet.")


class HistoryMoved(TouchlineError):
    """A stored feature history that no longer has the columns its view declares."""

    def __init__(self, view: str, where: str, found: str, allowed: str) -> None:
        self.view = view
        super().__init__(
            f"The history of view {view!r} in {where} has {found}, the declaration {allowed}. "
            "Compute the view again: touchline features compute."
        )


class InvalidPush(UsageError):
    """A pushed row that the view cannot take; nothing of the push was kept."""

    def __init__(self, view: str, row: int, column: str, found: object, allowed: str) -> None:
        self.view, self.row, self.column = view, row, column
        super().__init__(
            f"View {view!r} takes nothing of this push: row {row} has {column!r} = {found!r}; it must be {allowed}."
        )

    @classmethod
    def unknown(cls, view: str, row: int, column: str, known: Collection[str]) -> InvalidPush:
        return cls(view, row, column, "a value", f"a column of the view. {nearest(column, known)}".rstrip("."))


class FeatureTypeMoved(UsageError):
    def __init__(self, view: str, feature: str, found: str, allowed: str) -> None:
        self.view, self.feature = view, feature
        super().__init__(
            f"View {view!r}: feature {feature!r} came as {found}, the view declares {allowed}. "
            "Change the declaration or the source, and apply the view again."
        )


class OnlineStoreError(TouchlineError):
    """Base of what can go wrong between a request and its online features."""


class CorruptedFeatures(OnlineStoreError):
    """A packed value whose checksum or layout does not fit. It is never served."""

    def __init__(self, view: str, key: str, found: str, allowed: str) -> None:
        self.view = view
        super().__init__(
            f"The packed features of {view} for {key!r} are damaged: {found}, expected {allowed}. "
            "Invalidate and materialize the view again."
        )


class OnlineStoreUnavailable(OnlineStoreError):
    def __init__(self, store: str, reason: str, waited_seconds: float) -> None:
        self.store = store
        super().__init__(
            f"Online store {store} did not answer within {waited_seconds:g} s: {reason}. "
            "Check that it runs and that its address is right."
        )


class FeaturesExpired(OnlineStoreError):
    """A value older than its TTL under the policy `fail`."""

    def __init__(self, view: str, key: str, found: str, allowed: str) -> None:
        self.view = view
        super().__init__(
            f"The features of {view} for {key!r} are {found}; the view allows {allowed}. "
            "Materialize the view, or declare another fall-back."
        )


# --- training -------------------------------------------------------------------------------------


class UnknownScore(UsageError):
    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        super().__init__(f"{name!r} is not a loss of single rows. {nearest(name, known)}")


class TooFewExamples(TouchlineError):
    def __init__(self, what: str, found: int, least: int) -> None:
        self.found, self.least = found, least
        super().__init__(
            f"There are {found} {what}; training needs {least} or more. Bring more data, or change `test` and `validation`."
        )


class OneClassOnly(TouchlineError):
    def __init__(self, label: str | None, rows: int) -> None:
        self.label, self.rows = label, rows
        found = f"All {rows} known labels are {label!r}" if rows else "No label is known"
        super().__init__(f"{found}; a classification needs two classes or more. Check how `examples` makes the label.")


class LabelsUnusable(TouchlineError):
    def __init__(self, example_id: object, label: object, rows: int, allowed: str) -> None:
        self.example_id, self.label, self.rows = example_id, label, rows
        super().__init__(
            f"{rows} labels are not {allowed} (first: example {example_id}, {label!r}). "
            "Correct them in `examples`, or leave them null for examples that are to be predicted."
        )


class LeakageFound(TouchlineError):
    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            f"The training set tells the label beforehand: {'; '.join(findings)}. Remove what is known only afterwards, "
            "or list it in Training(trusted=[...]) when it is truly known at the cutoff."
        )


class CandidateUnfit(UsageError):
    def __init__(self, name: str, kind: str, fitting: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Candidate {name!r} cannot learn a {kind} task. Fitting ones: {', '.join(sorted(fitting))}.")


class BudgetExceeded(TouchlineError):
    def __init__(self, who: str, seconds: float) -> None:
        self.who, self.seconds = who, seconds
        super().__init__(
            f"{who} was not done within {seconds:g} s. Raise candidate_seconds in Training, or leave it out."
        )


class NoCandidateWorked(TouchlineError):
    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"Every candidate failed, so there is no model: {told}.")


class ModelDamaged(TouchlineError):
    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        super().__init__(f"{what} cannot be used as a model: {reason}. Take the release again from its store.")


class ModelMismatch(TouchlineError):
    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(
            f"The training set lacks the columns {', '.join(missing)} that this recipe was made with. "
            "Train anew, or give the training set of the recipe's feature version."
        )


# --- registry -------------------------------------------------------------------------------------


class VersionNotFound(UsageError):
    def __init__(self, project: str, reference: str, known: Collection[str]) -> None:
        self.project, self.reference = project, reference
        versions = ", ".join(known) or "none yet; train one: touchline train"
        super().__init__(f"{project} has no version {reference!r}. Versions: {versions}.")


class ReasonMissing(UsageError):
    def __init__(self, act: str) -> None:
        super().__init__(f"{act} needs a reason, which the journal keeps. Add: --reason '...'")


class IllegalStageChange(UsageError):
    """The journal allows no such step from where the version stands."""

    def __init__(self, project: str, version: int, stage: str, *, why: str) -> None:
        self.project, self.version, self.stage = project, version, stage
        super().__init__(f"{project} version {version} stays in {stage}: {why}")

    @classmethod
    def needs_rollout(cls, project: str, version: int) -> IllegalStageChange:
        why = (
            "from Staging the way to Production is a rollout. Start it: touchline rollout start; "
            "or skip it: touchline models promote --now --reason '...'"
        )
        return cls(project, version, "Staging", why=why)

    @classmethod
    def nothing_to_return_to(cls, project: str, version: int | None) -> IllegalStageChange:
        why = "no other version was in Production before it, so there is nothing to roll back to."
        return cls(project, version or 0, "Production" if version else "None", why=why)


class StageConflict(TouchlineError):
    """Somebody else changed a stage first; nothing of this change was written."""

    def __init__(self, project: str, *, expected: int, found: int, winner: str, did: str) -> None:
        self.project, self.expected, self.found, self.winner = project, expected, found, winner
        super().__init__(
            f"{project}: the journal moved from entry {expected} to {found} meanwhile: {winner} {did}. "
            f"Nothing of this change was written; look again: touchline models history"
        )


class GateFailed(TouchlineError):
    """A gate said no (exit code 3). `messages` holds one sentence per failed gate."""

    def __init__(self, project: str, version: int, stage: str, messages: Sequence[str]) -> None:
        self.project, self.version, self.messages = project, version, tuple(messages)
        super().__init__(f"{project} version {version} stays in {stage}: {'; '.join(messages)}.")


class NotEvaluated(TouchlineError):
    def __init__(self, project: str, version: int, missing: str) -> None:
        self.project, self.version = project, version
        super().__init__(
            f"{project} version {version} cannot be judged: its record has no {missing}. "
            "Train it again: touchline train"
        )


class ReleaseTampered(TouchlineError):
    """A bundle is not what was built; it is never loaded."""

    def __init__(self, folder: str, what: str, *, found: str, expected: str) -> None:
        self.folder, self.what = folder, what
        super().__init__(
            f"Release {folder} was refused: {what} is {found}, {expected} was built. The running release stays; "
            f"restore the folder from a backup, or build it again: touchline models promote"
        )


class ReleaseBroken(TouchlineError):
    """A bundle is complete but does not predict what it predicted when it was built."""

    def __init__(self, folder: str, *, rows: int, of: int, gap: float, allowed: float) -> None:
        self.folder, self.gap = folder, gap
        super().__init__(
            f"Release {folder} failed its self-test: {rows} of {of} stored examples differ, by up to {gap:.3g} "
            f"(allowed {allowed:.0e}). The running release stays; compare the library versions in release.json"
        )


class RunNotFound(UsageError):
    def __init__(self, project: str, what: str) -> None:
        super().__init__(f"{project} has no run {what}. See: touchline runs list -p {project}")


class InvalidFilter(UsageError):
    def __init__(self, condition: str) -> None:
        super().__init__(
            f"The filter {condition!r} cannot be read. Write NAME SIGN VALUE, joined by 'and', for example: "
            "log_loss < 1.0 and candidate = lightgbm"
        )


class FolderNotEmpty(UsageError):
    def __init__(self, folder: str) -> None:
        super().__init__(f"{folder} exists and is not empty. Choose another folder, or remove it first.")


class NotPortable(UsageError):
    """An on-demand transform that serving could not run without the whole project."""

    def __init__(self, transform: str, reason: str) -> None:
        self.transform = transform
        super().__init__(
            f"On-demand transform {transform!r} {reason}. It also runs while serving: "
            f"write it as a plain function over NumPy and constants of the project"
        )


class TrackingUnavailable(TouchlineError):
    def __init__(self, uri: str, attempts: int, last: str) -> None:
        self.uri, self.attempts = uri, attempts
        super().__init__(
            f"MLflow at {uri} did not answer in {attempts} attempts (last: {last}). Nothing was registered; "
            f"start it and run the same command again: make mlflow"
        )


class TrackingMismatch(TouchlineError):
    """MLflow and touchline number their versions differently: one of the two was replaced or reset."""

    def __init__(self, project: str, version: int, uri: str) -> None:
        self.project, self.version = project, version
        super().__init__(
            f"{project} version {version} in MLflow at {uri} is another run than in touchline's own record. "
            f"Use the MLflow that the record was made with (MLFLOW_TRACKING_URI), or a new home"
        )


# --- serving --------------------------------------------------------------------------------------


class UnknownPrediction(UsageError):
    def __init__(self, project: str, prediction_ids: Sequence[str]) -> None:
        self.prediction_ids = tuple(prediction_ids)
        more = f" and {len(prediction_ids) - 1} more" if len(prediction_ids) > 1 else ""
        super().__init__(
            f"{project} has no logged prediction {prediction_ids[0]}{more}. "
            "A prediction is in the log a second after its answer; for one older than the log keeps, give the example_id."
        )


class WrongLabel(UsageError):
    def __init__(self, project: str, label: object, allowed: str) -> None:
        self.label = label
        super().__init__(f"{label!r} is no label of {project}; allowed: {allowed}.")


class MissingColumns(UsageError):
    def __init__(self, project: str, missing: Sequence[str], found: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(
            f"{project} cannot score these rows: {', '.join(map(repr, missing))} missing. "
            f"They have {', '.join(found) or 'no columns'}."
        )


class KeyRequired(UsageError):
    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(
            f"The server would listen on {host}, where other machines reach it, and no API key is made yet. "
            "Make one first, or listen on 127.0.0.1."
        )


class KeyNotFound(UsageError):
    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(f"There is no valid API key {key_id}; it was never made or is revoked already.")


class ReleaseNotFound(TouchlineError):
    def __init__(self, project: str, release_id: str) -> None:
        self.release_id = release_id
        super().__init__(
            f"{project} has no release {release_id}, though it is referred to. "
            "Restore a backup, or promote another version."
        )


class NotReplayable(TouchlineError):
    """A logged prediction that cannot be computed again, and what is missing for it."""

    def __init__(self, prediction_id: str, missing: str) -> None:
        self.prediction_id = prediction_id
        super().__init__(f"Prediction {prediction_id} cannot be computed again: {missing}.")


# --- statistics -----------------------------------------------------------------------------------


class TooFewClusters(TouchlineError):
    """A comparison over clusters that are too few to say anything."""

    def __init__(self, found: int, needed: int) -> None:
        self.found, self.needed, self.missing = found, needed, needed - found
        super().__init__(
            f"{found} clusters (such as match days) are too few to compare two models: {needed} are needed. "
            f"Wait for {self.missing} more, or evaluate on a longer test window."
        )


# --- monitoring -----------------------------------------------------------------------------------


class DriftColumnUnknown(UsageError):
    """A drift rule names a column that the released model does not have."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        super().__init__(
            f"Drift rule names column {name!r}, which the released model does not have. {nearest(name, known)}"
        )


class ProfileMismatch(TouchlineError):
    """Logged rows that cannot be compared with a release's profile."""

    def __init__(self, release_id: str, found: str, allowed: str) -> None:
        self.release_id = release_id
        super().__init__(
            f"Release {release_id}: logged predictions have {found}, its drift profile has {allowed}. "
            "The log and the release do not belong together; promote the version again to rebuild its release."
        )


# --- project and automation -----------------------------------------------------------------------


class ProjectExists(UsageError):
    def __init__(self, name: str, file: object) -> None:
        super().__init__(f"Project {name!r} is there already: {file}. Choose another name, or delete that folder first.")


class NothingToLearnFrom(UsageError):
    def __init__(self, name: str, target: str, leaks: Sequence[str]) -> None:
        suspected = f" Suspected of giving {target!r} away: {', '.join(leaks)}." if leaks else ""
        super().__init__(f"{name}: no column is left to predict {target!r} from.{suspected} Add columns to the file.")


class InvalidInstant(UsageError):
    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no instant. Write it as 2009-04-18 or 2009-04-18T12:00, in UTC or with a zone.")


class NotAPair(UsageError):
    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f'{text!r} is no NAME=VALUE. Write it with an equals sign, for example team="Schalke 04".')


class NothingNamed(UsageError):
    def __init__(self, command: str, wanted: str) -> None:
        super().__init__(f"`touchline {command}` needs {wanted}. See: touchline {command} --help")


class UnknownName(UsageError):
    def __init__(self, kind: str, name: str, known: Collection[str]) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"There is no {kind} {name!r}. {nearest(name, known)}")


class ProjectNotFound(UsageError):
    def __init__(self, place: str, base: object, known: Collection[str]) -> None:
        self.place = place
        super().__init__(
            f"No project.py for {place!r} under {base} or {base}/projects. {nearest(place, known)} "
            f"Make one: touchline init NAME --from data.csv --target COLUMN"
        )


class InvalidProject(UsageError):
    def __init__(self, file: object, line: int | None, what: str, next_step: str) -> None:
        self.file, self.line = file, line
        where = f"{file}:{line}" if line else str(file)
        super().__init__(f"{where}: {what}. {next_step}")


class ClockNotFrozen(UsageError):
    def __init__(self, project: str) -> None:
        super().__init__(
            f"{project} runs on the system's time, which cannot be advanced. "
            f"Only a project that declares clock=SampleClock(at=...) has a clock to move."
        )


class ClockRunsForward(UsageError):
    def __init__(self, project: str, current: datetime, wanted: datetime) -> None:
        super().__init__(
            f"{project}'s clock stands at {current:%Y-%m-%d %H:%M} UTC and cannot go back to {wanted:%Y-%m-%d %H:%M}: "
            f"predictions and stages were recorded since. To start over, use another TOUCHLINE_HOME."
        )


class InvalidRequestField(UsageError):
    def __init__(self, field: str) -> None:
        super().__init__(f'{field!r} is no field of a request. Write name=value, for example home_team="Schalke 04".')


class ServerUnreachable(TouchlineError):
    def __init__(self, url: str) -> None:
        super().__init__(f"Nothing answers at {url}. Start the server: touchline up (or set TOUCHLINE_PORT to its port).")


class ServerRefused(TouchlineError):
    def __init__(self, url: str, status: int, body: str) -> None:
        super().__init__(f"{url} answered {status}: {body[:1000]}")


class PortTaken(TouchlineError):
    def __init__(self, host: str, port: int, setting: str) -> None:
        self.port, self.setting = port, setting
        super().__init__(
            f"Port {port} on {host} is in use by another process. End that process, or choose another port: "
            f"{setting}={port + 1}"
        )


class ProcessFailed(TouchlineError):
    def __init__(self, name: str, log: object, last_lines: str) -> None:
        self.name = name
        super().__init__(f"The {name} process did not become ready. The end of {log}:\n{last_lines}")
