"""From a trained candidate to the release that is served, with every decision on record.

In: a `TrainingResult`, the declared gates, a person's wish to promote. Out: a run and a model version in
MLflow, entries of the journal, immutable release bundles.

Promises: the journal is append-only and decides what is live, MLflow's aliases and tags only mirror it;
of two who change a stage at once one wins and the other is told by whom; no version passes a gate that
said no; a release never changes and is verified before it predicts; a kill at any step leaves a state
from which the same command carries on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.registry.build import Release as Release
    from touchline.registry.build import build_release as build_release
    from touchline.registry.build import find_release as find_release
    from touchline.registry.build import open_release as open_release
    from touchline.registry.card import VersionCard as VersionCard
    from touchline.registry.card import read_card as read_card
    from touchline.registry.compare import PairedDifference as PairedDifference
    from touchline.registry.compare import VersionComparison as VersionComparison
    from touchline.registry.compare import compare_versions as compare_versions
    from touchline.registry.decide import approve as approve
    from touchline.registry.decide import demote as demote
    from touchline.registry.decide import reject as reject
    from touchline.registry.download import download_release as download_release
    from touchline.registry.evidence import Evidence as Evidence
    from touchline.registry.evidence import Opponent as Opponent
    from touchline.registry.facts import Trained as Trained
    from touchline.registry.families import declared_families as declared_families
    from touchline.registry.gates import GateReport as GateReport
    from touchline.registry.gates import GateResult as GateResult
    from touchline.registry.gates import check_gate as check_gate
    from touchline.registry.gates import check_gates as check_gates
    from touchline.registry.gather import Refit as Refit
    from touchline.registry.gather import gather_evidence as gather_evidence
    from touchline.registry.gather import read_predictions as read_predictions
    from touchline.registry.gather import read_recipe as read_recipe
    from touchline.registry.journal import Journal as Journal
    from touchline.registry.journal import Move as Move
    from touchline.registry.manifest import OnDemandCode as OnDemandCode
    from touchline.registry.manifest import ReleaseManifest as ReleaseManifest
    from touchline.registry.projection import project_aliases as project_aliases
    from touchline.registry.promote import Decision as Decision
    from touchline.registry.promote import Judges as Judges
    from touchline.registry.promote import Promoted as Promoted
    from touchline.registry.promote import promote as promote
    from touchline.registry.promote import rollback as rollback
    from touchline.registry.pyfunc import mlflow_model as mlflow_model
    from touchline.registry.record import Recorded as Recorded
    from touchline.registry.record import record_version as record_version
    from touchline.registry.release import LoadedRelease as LoadedRelease
    from touchline.registry.release import Transform as Transform
    from touchline.registry.release import load_release as load_release
    from touchline.registry.release import verify_release as verify_release
    from touchline.registry.reproduce import Material as Material
    from touchline.registry.reproduce import Reproduced as Reproduced
    from touchline.registry.reproduce import refitter as refitter
    from touchline.registry.reproduce import reproduce as reproduce
    from touchline.registry.runs import RunComparison as RunComparison
    from touchline.registry.runs import RunQuery as RunQuery
    from touchline.registry.runs import RunSummary as RunSummary
    from touchline.registry.runs import best_run as best_run
    from touchline.registry.runs import compare_runs as compare_runs
    from touchline.registry.runs import list_runs as list_runs
    from touchline.registry.spec import Gate as Gate
    from touchline.registry.stages import Reference as Reference
    from touchline.registry.stages import Stage as Stage
    from touchline.registry.stages import StageChange as StageChange
    from touchline.registry.stages import StageState as StageState
    from touchline.registry.stages import parse_reference as parse_reference
    from touchline.registry.tracking import Tracking as Tracking
    from touchline.registry.tracking import is_server as is_server
    from touchline.registry.tracking import open_tracking as open_tracking
    from touchline.registry.versions import MetricValue as MetricValue
    from touchline.registry.versions import ModelVersion as ModelVersion
    from touchline.registry.versions import Registry as Registry
    from touchline.registry.versions import read_version as read_version
    from touchline.registry.versions import read_versions as read_versions

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.registry.build": ["Release", "build_release", "find_release", "open_release"],
        "touchline.registry.card": ["VersionCard", "read_card"],
        "touchline.registry.compare": ["PairedDifference", "VersionComparison", "compare_versions"],
        "touchline.registry.decide": ["approve", "demote", "reject"],
        "touchline.registry.download": ["download_release"],
        "touchline.registry.evidence": ["Evidence", "Opponent"],
        "touchline.registry.facts": ["Trained"],
        "touchline.registry.families": ["declared_families"],
        "touchline.registry.gates": ["GateReport", "GateResult", "check_gate", "check_gates"],
        "touchline.registry.gather": ["Refit", "gather_evidence", "read_predictions", "read_recipe"],
        "touchline.registry.journal": ["Journal", "Move"],
        "touchline.registry.manifest": ["OnDemandCode", "ReleaseManifest"],
        "touchline.registry.projection": ["project_aliases"],
        "touchline.registry.promote": ["Decision", "Judges", "Promoted", "promote", "rollback"],
        "touchline.registry.pyfunc": ["mlflow_model"],
        "touchline.registry.record": ["Recorded", "record_version"],
        "touchline.registry.release": ["LoadedRelease", "Transform", "load_release", "verify_release"],
        "touchline.registry.reproduce": ["Material", "Reproduced", "refitter", "reproduce"],
        "touchline.registry.runs": ["RunComparison", "RunQuery", "RunSummary", "best_run", "compare_runs", "list_runs"],
        "touchline.registry.spec": ["Gate"],
        "touchline.registry.stages": ["Reference", "Stage", "StageChange", "StageState", "parse_reference"],
        "touchline.registry.tracking": ["Tracking", "is_server", "open_tracking"],
        "touchline.registry.versions": ["MetricValue", "ModelVersion", "Registry", "read_version", "read_versions"],
    },
)
