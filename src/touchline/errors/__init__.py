"""Every error touchline raises on purpose.

    TouchlineError
        BackendUnavailable
            DatabaseBusy
        OnlineStoreError
            CorruptedFeatures, FeaturesExpired, OnlineStoreEmptied, OnlineStoreUnavailable, OnlineValuesAhead
        ReleaseBroken
            ReleaseCrashes, TransformBroken
        SchemaMismatch
            DatabaseAhead, DatabaseBehind
        SourceUnavailable
            RequestBudgetSpent
        UsageError
            InvalidView
                LooksAhead
            AddressUnusable, BackfillTooLarge, BacktestRefused, BackupNotFound, BackupRefused, CandidateUnfit,
            ClassesUnordered, ClockNotFrozen, ClockRunsForward, ColumnUnknown, DriftColumnUnknown,
            EntityKeyMissing, EntityNotFound, FeatureNotANumber, FeatureNotFound, FeatureTypeMoved,
            FolderMissing, FolderNotEmpty, IllegalStageChange, IncidentNotFound, InvalidContract,
            InvalidEntityKey, InvalidEntityRows, InvalidEvidence, InvalidFilter, InvalidInstant,
            InvalidOutcomeTime, InvalidProject, InvalidProjectName, InvalidPush, InvalidRequestField,
            InvalidSetting, KeyNotFound, KeyRequired, KeyReused, LastAdminKey, ManifestNotFound,
            MissingColumns, MissingDependency, NotAPair, NotPortable, NothingNamed, NothingScheduled,
            NothingToLearnFrom, OptionUnused, OverwritesItsInput, ProjectExists, ProjectNotFound,
            ReasonMissing, RehearsalNotFound, RehearsalRefused, RepeatedKey, RolloutNotFound,
            RolloutNotRunning, RolloutRefused, RolloutWouldHold, RunNotFound, RunValueUnknown, SilenceInvalid,
            SnapshotNotFound, SnapshotPruned, SourceFormatNotRead, StepNotReached, TableFormatUnknown,
            TargetNeverVaries, TargetNotClasses, TargetNotFound, TaskUnfit, TextUnstorable, TimeAhead,
            TimesReversed, UnknownName, UnknownPlugin, UnknownPrediction, UnknownRun, UnknownScore,
            UnreadableJson, VersionNotFound, ViewNotFound
        BackupDamaged, BackupFailed, BackupIncomplete, BatchRejected, BudgetExceeded, ClassMissing,
        CodeChanged, ColumnRetyped, ColumnsMismatch, CopyDiffers, DiskFull, EvidenceMoved, GateFailed,
        HistoryMoved, InvalidObjectKey, InvalidSample, LabelsAllEqual, LabelsUnusable, LeakageFound,
        LeaseHeld, LeaseLost, ModelDamaged, ModelMismatch, NoCandidateWorked, NotComparable, NotEvaluated,
        NotReproducible, NothingInProduction, NothingVaries, ObjectNotFound, OneClassOnly, PortTaken,
        ProbeFailed, ProcessFailed, ProfileMismatch, ProviderFailed, RecalibrationRefused, ReleaseNotFound,
        ReleaseTampered, RolloutConflict, RunStopped, RunWaits, ServerRefused, ServerUnreachable,
        SourceFileEmpty, SourceFileMissing, SourceFileUnreadable, StageConflict, StoredFileDamaged,
        TooFewClusters, TooFewExamples, TrackingMismatch, TrackingUnavailable, WebhookUnverified, WorkerLost

A message says what happened to which thing, the value found and the value allowed, and the next step.
It is built in the class, so that every call site raises the same words; the facts stay as attributes.
"""

from touchline.errors.alerts import *
from touchline.errors.automation import *
from touchline.errors.backup import *
from touchline.errors.base import *
from touchline.errors.data import *
from touchline.errors.features import *
from touchline.errors.monitoring import *
from touchline.errors.project import *
from touchline.errors.registry import *
from touchline.errors.rehearsal import *
from touchline.errors.rollout import *
from touchline.errors.serving import *
from touchline.errors.settings import *
from touchline.errors.storage import *
from touchline.errors.training import *
