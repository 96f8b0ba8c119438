"""The checks whose results are alerts: trainings, the journal, drift, the age of data and features, skew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from touchline.alerts import (
    Alerting,
    Observation,
    prune_alerts,
    renew_incidents,
    report_journal,
    report_rollouts,
    report_state,
    report_states,
)
from touchline.automation.alert_checks.loss_observations import loss_observations
from touchline.automation.alert_checks.run_alerts import report_daily_work, report_trainings
from touchline.errors import TouchlineError, failure_in_words
from touchline.features import read_skew_proof
from touchline.features.vectors.served_view import view_keys
from touchline.features.vectors.watermark import ViewMetadata, instant_of
from touchline.ingest import read_freshness
from touchline.monitoring import DriftReports, PerformanceReports
from touchline.rollout import RolloutRecords

if TYPE_CHECKING:
    from touchline.automation.stores import Stores
    from touchline.automation.upkeep.damage import Damage
    from touchline.features import FeatureView
    from touchline.ingest import Freshness
    from touchline.project import Project

# A view that is refreshed half as often as declared, or past half its time to live, is stale.
_LATE: Final = 2
_OLD_SHARE: Final = 0.5


def alerting_of(project: Project, stores: Stores) -> Alerting:
    """The alerts of a project in a home."""
    return Alerting(stores.database, project.name, project.alerts, stores.clock)


def check_alerts(project: Project, stores: Stores) -> tuple[str, ...]:
    """Look at everything whose state is stored, and record what is wrong, well again or new.

    Safe to call often and from several processes: each state is one incident, each event is recorded once. Returns, in
    words, the checks that could not be made, as where the online store does not answer; the others are made.
    """
    alerting = alerting_of(project, stores)
    checks: dict[str, Callable[[], object]] = {
        "trainings": lambda: report_trainings(alerting, stores),
        "the day's work": lambda: report_daily_work(alerting, stores),
        "the journal": lambda: report_journal(alerting, stores.journal.history(project.name)),
        "rollouts": lambda: report_rollouts(alerting, RolloutRecords(stores.database, project.name).read(limit=3)),
        "drift": lambda: _report_drift(alerting),
        "loss": lambda: _report_loss(alerting),
        "sources": lambda: _report_sources(alerting, project, stores),
        "features": lambda: _report_features(alerting, project, stores),
        "skew": lambda: _report_skew(alerting, stores),
        "open incidents": lambda: renew_incidents(alerting),
        "old incidents": lambda: prune_alerts(alerting),
    }
    failures = []
    for name, check in checks.items():
        try:
            check()
        except (TouchlineError, OSError) as failure:
            failures.append(f"{name} could not be checked: {failure_in_words(failure)}")
    return tuple(failures)


def report_damage(project: Project, stores: Stores, damages: Sequence[Damage]) -> None:
    """Record the damage that a full check has found; without any, the incident of the last one is resolved."""
    observations = [
        Observation(
            "data_damage",
            subject=damage.what,
            is_wrong=True,
            happened=f"{damage.what}: {damage.problem}",
            certainty="certain: the stored bytes differ from their digest, or are missing",
            cost="what depends on it cannot be computed, served or traced",
            next_command="touchline doctor --repair" if damage.repair else damage.remedy,
            cause="data_damage",
        )
        for damage in damages
    ]
    report_states(alerting_of(project, stores), "data_damage", observations)


def _report_loss(alerting: Alerting) -> None:
    for report in PerformanceReports(alerting.database, alerting.project).newest(1):
        for observation in loss_observations(alerting.project, report):
            report_state(alerting, observation)


def _report_drift(alerting: Alerting) -> None:
    reports = DriftReports(alerting.database, alerting.project).newest(1)
    if not reports or not reports[0].has_enough_rows:
        return
    verdict = reports[0]
    worst = min((column.p_adjusted for column in verdict.drifted), default=1.0)
    windows = min((column.streak for column in verdict.drifted), default=0)
    report_state(
        alerting,
        Observation(
            "drift",
            is_wrong=verdict.state == "drift",
            happened=verdict.message,
            since=verdict.at,
            certainty=f"smallest adjusted p {worst:.2g} on {verdict.rows} rows, in {windows} windows in a row",
            cost="not measured: drift alone is no loss; compare predictions with outcomes",
            next_command=f"touchline monitor drift -p {alerting.project}",
            columns=tuple(column.name for column in verdict.drifted),
        ),
    )


def _report_sources(alerting: Alerting, project: Project, stores: Stores) -> None:
    report_states(alerting, "stale_data", source_observations(project, stores))


def source_observations(project: Project, stores: Stores) -> list[Observation]:
    """Each source whose data is older than declared."""
    return [
        Observation(
            "stale_data",
            subject=fresh.source,
            is_wrong=True,
            happened=(
                f"source {fresh.source} was last ingested {_span(age)} ago, allowed are {_span(limit)}; "
                f"its last ingest ended as {fresh.last_status!r}"
            ),
            since=fresh.last_ingest_at,
            certainty="certain: recorded in the manifests",
            cost="predictions and trainings use the rows known until then",
            next_command=f"touchline ingest -p {project.name}; touchline data log -p {project.name}",
            cause=_source_cause(fresh.source),
        )
        for fresh, age, limit in _stale_sources(project, stores)
    ]


def _stale_sources(project: Project, stores: Stores) -> Iterator[tuple[Freshness, timedelta, timedelta]]:
    """The stale sources with their age and its limit. One that was never ingested is no incident: nothing uses it."""
    for source in project.sources:
        fresh = read_freshness(
            source, project=project.name, stores=stores, now=stores.clock.now(), wall=stores.clock.wall()
        )
        if fresh.age is not None and fresh.max_age is not None and fresh.is_stale:
            yield fresh, fresh.age, fresh.max_age


def _report_features(alerting: Alerting, project: Project, stores: Stores) -> None:
    report_states(alerting, "stale_features", feature_observations(project, stores))


def feature_observations(project: Project, stores: Stores) -> list[Observation]:
    """Each view whose values in the online store are too old."""
    stale = frozenset(fresh.source for fresh, _, _ in _stale_sources(project, stores))
    return [observation for view in project.feature_views if (observation := _stale_view(project, stores, view, stale))]


def _stale_view(project: Project, stores: Stores, view: FeatureView, stale: frozenset[str]) -> Observation | None:
    """The view's values in the online store, if they are too old; one whose source is stale has that cause."""
    limits = [view.refresh * _LATE] if view.refresh else []
    limits += [view.ttl * _OLD_SHARE] if view.ttl else []
    stored = stores.online.read([view_keys(project.name, view.name, view.feature_version).metadata])[0]
    if not limits or stored is None:
        return None
    at = instant_of(ViewMetadata.unpack(stored, view.name).materialized)
    age, limit = stores.clock.now() - at, min(limits)
    if age <= limit:
        return None
    causes = [source.name for source in view.sources if source.name in stale]
    return Observation(
        "stale_features",
        subject=view.name,
        is_wrong=True,
        happened=f"view {view.name} was last materialized {_span(age)} ago, allowed are {_span(limit)}",
        since=at,
        certainty="certain: recorded in the online store",
        cost="predictions use old values, and none once they are past their time to live",
        next_command=f"touchline ingest -p {project.name}",
        cause=_source_cause(causes[0]) if causes else "",
    )


def _report_skew(alerting: Alerting, stores: Stores) -> None:
    state = stores.journal.state(alerting.project)
    release = state.releases.get(state.production or 0)
    proof = read_skew_proof(alerting.project, release, stores.objects) if release else None
    if proof is None or proof.checked == 0:
        return
    columns = ", ".join(sorted(proof.by_column)[:3])
    report_state(
        alerting,
        Observation(
            "skew",
            is_wrong=proof.mismatched > 0,
            happened=f"{proof.sentence}; columns: {columns}" if columns else proof.sentence,
            since=proof.verified_at,
            certainty=f"computed again from history; at most {proof.upper_bound:.2%} of all (95 %)",
            cost="these predictions were made from other values than the model was trained on",
            next_command=f"touchline features verify -p {alerting.project}",
        ),
    )


def _source_cause(source: str) -> str:
    return f"source:{source}"


def _span(span: timedelta) -> str:
    """A duration in the largest fitting unit.

    >>> _span(timedelta(hours=50)), _span(timedelta(minutes=90))
    ('2.1 days', '1.5 hours')
    """
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
