"""Every error touchline raises on purpose.

    TouchlineError
    ├── UsageError                 the person's input is wrong (exit code 2)
    │   ├── InvalidSetting
    │   ├── InvalidProject, ProjectNotFound, ProjectExists, InvalidProjectName, NothingToLearnFrom, UnknownName,
    │   │   InvalidInstant
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
    ├── StageConflict, NotEvaluated, NotReproducible, ReleaseTampered, ReleaseBroken (TransformBroken)
    ├── TrackingUnavailable, TrackingMismatch
    ├── TooFewExamples, OneClassOnly, ClassMissing, LabelsUnusable, LabelsAllEqual, NothingVaries, LeakageFound
    ├── BudgetExceeded, NoCandidateWorked, WorkerLost
    ├── ModelDamaged, ModelMismatch
    ├── TooFewClusters, InvalidSample, ProfileMismatch
    ├── ColumnsMismatch, BatchRejected, ColumnRetyped
    ├── SourceFileMissing, SourceFileEmpty, SourceFileUnreadable, ProviderFailed
    ├── SourceUnavailable
    │   └── RequestBudgetSpent
    ├── BackendUnavailable (DatabaseBusy), DiskFull
    ├── SchemaMismatch (DatabaseAhead, DatabaseBehind)
    ├── ObjectNotFound, InvalidObjectKey, LeaseHeld, LeaseLost
    ├── UnknownPrediction, WrongLabel, MissingColumns, KeyRequired, KeyNotFound (usage)
    ├── ReleaseNotFound, NothingInProduction
    └── …

A message says what happened to which thing, the value found and the value allowed, and the next step.
It is built in the class, so that every call site raises the same words; the facts stay as attributes.
"""

from __future__ import annotations

from touchline.errors.base import TouchlineError, UsageError, nearest
from touchline.errors.data import (
    BatchRejected,
    ColumnRetyped,
    ColumnsMismatch,
    ColumnUnknown,
    InvalidContract,
    ManifestNotFound,
    ProviderFailed,
    RequestBudgetSpent,
    SnapshotNotFound,
    SourceFileEmpty,
    SourceFileMissing,
    SourceFileUnreadable,
    SourceUnavailable,
)
from touchline.errors.features import (
    CorruptedFeatures,
    EntityKeyMissing,
    EntityNotFound,
    FeatureNotANumber,
    FeatureNotFound,
    FeaturesExpired,
    FeatureTypeMoved,
    HistoryMoved,
    InvalidEntityKey,
    InvalidEntityRows,
    InvalidPush,
    InvalidView,
    LooksAhead,
    OnlineStoreError,
    OnlineStoreUnavailable,
    SourceFormatNotRead,
    ViewNotFound,
)
from touchline.errors.monitoring import DriftColumnUnknown, InvalidSample, ProfileMismatch, TooFewClusters
from touchline.errors.project import (
    ClockNotFrozen,
    ClockRunsForward,
    InvalidInstant,
    InvalidProject,
    InvalidProjectName,
    InvalidRequestField,
    NotAPair,
    NothingNamed,
    NothingToLearnFrom,
    PortTaken,
    ProcessFailed,
    ProjectExists,
    ProjectNotFound,
    ServerRefused,
    ServerUnreachable,
    UnknownName,
)
from touchline.errors.registry import (
    FolderNotEmpty,
    GateFailed,
    IllegalStageChange,
    InvalidFilter,
    NotEvaluated,
    NotPortable,
    NotReproducible,
    ReasonMissing,
    ReleaseBroken,
    ReleaseTampered,
    RunNotFound,
    StageConflict,
    TrackingMismatch,
    TrackingUnavailable,
    TransformBroken,
    VersionNotFound,
)
from touchline.errors.serving import (
    KeyNotFound,
    KeyRequired,
    MissingColumns,
    NothingInProduction,
    ReleaseNotFound,
    UnknownPrediction,
    WrongLabel,
)
from touchline.errors.settings import InvalidSetting, MissingDependency, UnknownPlugin
from touchline.errors.storage import (
    BackendUnavailable,
    DatabaseAhead,
    DatabaseBehind,
    DatabaseBusy,
    DiskFull,
    InvalidObjectKey,
    LeaseHeld,
    LeaseLost,
    ObjectNotFound,
    SchemaMismatch,
)
from touchline.errors.training import (
    BudgetExceeded,
    CandidateUnfit,
    ClassMissing,
    LabelsAllEqual,
    LabelsUnusable,
    LeakageFound,
    ModelDamaged,
    ModelMismatch,
    NoCandidateWorked,
    NothingVaries,
    OneClassOnly,
    TooFewExamples,
    UnknownScore,
    WorkerLost,
)

__all__ = [
    "BackendUnavailable",
    "BatchRejected",
    "BudgetExceeded",
    "CandidateUnfit",
    "ClassMissing",
    "ClockNotFrozen",
    "ClockRunsForward",
    "ColumnRetyped",
    "ColumnUnknown",
    "ColumnsMismatch",
    "CorruptedFeatures",
    "DatabaseAhead",
    "DatabaseBehind",
    "DatabaseBusy",
    "DiskFull",
    "DriftColumnUnknown",
    "EntityKeyMissing",
    "EntityNotFound",
    "FeatureNotANumber",
    "FeatureNotFound",
    "FeatureTypeMoved",
    "FeaturesExpired",
    "FolderNotEmpty",
    "GateFailed",
    "HistoryMoved",
    "IllegalStageChange",
    "InvalidContract",
    "InvalidEntityKey",
    "InvalidEntityRows",
    "InvalidFilter",
    "InvalidInstant",
    "InvalidObjectKey",
    "InvalidProject",
    "InvalidProjectName",
    "InvalidPush",
    "InvalidRequestField",
    "InvalidSample",
    "InvalidSetting",
    "InvalidView",
    "KeyNotFound",
    "KeyRequired",
    "LabelsAllEqual",
    "LabelsUnusable",
    "LeakageFound",
    "LeaseHeld",
    "LeaseLost",
    "LooksAhead",
    "ManifestNotFound",
    "MissingColumns",
    "MissingDependency",
    "ModelDamaged",
    "ModelMismatch",
    "NoCandidateWorked",
    "NotAPair",
    "NotEvaluated",
    "NotPortable",
    "NotReproducible",
    "NothingInProduction",
    "NothingNamed",
    "NothingToLearnFrom",
    "NothingVaries",
    "ObjectNotFound",
    "OneClassOnly",
    "OnlineStoreError",
    "OnlineStoreUnavailable",
    "PortTaken",
    "ProcessFailed",
    "ProfileMismatch",
    "ProjectExists",
    "ProjectNotFound",
    "ProviderFailed",
    "ReasonMissing",
    "ReleaseBroken",
    "ReleaseNotFound",
    "ReleaseTampered",
    "RequestBudgetSpent",
    "RunNotFound",
    "SchemaMismatch",
    "ServerRefused",
    "ServerUnreachable",
    "SnapshotNotFound",
    "SourceFileEmpty",
    "SourceFileMissing",
    "SourceFileUnreadable",
    "SourceFormatNotRead",
    "SourceUnavailable",
    "StageConflict",
    "TooFewClusters",
    "TooFewExamples",
    "TouchlineError",
    "TrackingMismatch",
    "TrackingUnavailable",
    "TransformBroken",
    "UnknownName",
    "UnknownPlugin",
    "UnknownPrediction",
    "UnknownScore",
    "UsageError",
    "VersionNotFound",
    "ViewNotFound",
    "WorkerLost",
    "WrongLabel",
    "nearest",
]
