"""The performance check of the release in Production, against its test window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, Literal, get_args

from touchline.automation.production.labelled_sample import labelled_sample
from touchline.automation.production.release import (
    ProductionRelease,
    TestRows,
    live_rows,
    live_rows_of,
    open_production,
    open_version,
    row_shape,
    test_rows,
)
from touchline.automation.production.upstream_facts import upstream_facts
from touchline.errors import NotEvaluated, ObjectNotFound, ReleaseNotFound, ReleaseTampered
from touchline.monitoring import (
    CheckedRelease,
    LiveRows,
    LossEstimate,
    OpenSample,
    PerformanceReports,
    PerformanceVerdict,
    Refreshed,
    VariantLoss,
    check_performance,
    estimate_loss,
    slice_rises,
    with_estimate,
)
from touchline.monitoring.loss_estimate import LEAST_ROWS
from touchline.rollout import RolloutRecords
from touchline.training import loss_rows

if TYPE_CHECKING:
    from touchline.monitoring import TestWindow
    from touchline.project import Project
    from touchline.registry import Registry, StageChange

# Older answers say little about now; a release that answers longer than this is watched on the newest days.
_LONGEST = timedelta(days=400)
# The loss of the newest predictions is estimated; older ones without an outcome may never get one.
_OPEN_DAYS = 30
_RELEASES_AT_ONCE: Final = 16
Role = Literal["answer", "shadow"]
_ROLES: Final[tuple[Role, ...]] = get_args(Role)


def check_production_performance(project: Project, stores: Registry) -> PerformanceVerdict:
    """Evaluate the settled predictions of the release in Production, estimate the open ones, and store the verdict."""
    production = open_production(project, stores)
    refreshed = _refreshed(project, stores)
    verdict = _checked(project, stores, production, "answer", refreshed)
    verdict = replace(verdict, variants=_variants(project, stores, production, verdict))
    if verdict.is_risen:
        facts = upstream_facts(project, stores, production, onset_on=verdict.onset_on)
        verdict = replace(verdict, facts=facts)
    verdict = replace(verdict, notes=(*verdict.notes, *_left_out(verdict, project)))
    PerformanceReports(stores.database, project.name).add(verdict, wall=stores.clock.wall())
    return verdict


def _refreshed(project: Project, stores: Registry) -> list[Refreshed]:
    """The releases that the one in Production has refreshed, oldest first, with their answers that still count."""
    since, found = stores.clock.now() - _LONGEST, list[Refreshed]()
    versions = refreshed_versions(stores.journal.history(project.name))
    while some := list(_sound(project, stores, islice(versions, _RELEASES_AT_ONCE))):
        live = live_rows_of(project, stores, [release for release, _ in some], since=since)
        answering = takewhile(lambda one: len(one[1]), zip(some, live, strict=True))
        taken = [Refreshed(release.version.version, rows, test) for (release, test), rows in answering]
        found += taken
        if len(taken) < _RELEASES_AT_ONCE:
            break
    return found[::-1]


def _sound(
    project: Project, stores: Registry, versions: Iterable[int]
) -> Iterator[tuple[ProductionRelease, TestWindow]]:
    """The releases of these versions up to the first damaged one: the alarm begins after it, and doctor names it."""
    for version in versions:
        try:
            release = open_version(project, stores, version)
            yield release, test_rows(project, stores, release).window
        except (ReleaseNotFound, ReleaseTampered, ObjectNotFound, NotEvaluated):
            return


def refreshed_versions(history: Sequence[StageChange]) -> Iterator[int]:
    """The versions that the one in Production has refreshed, directly or by others, newest first.

    A change of the recipe, a rollback and a promotion without gates begin another model.
    """
    entered = [change.version for change in history if change.to_stage == "Production"]
    refreshes = {
        change.version
        for change in history
        if change.to_stage == "Staging" and (change.gate_report or {}).get("is_refresh")
    }
    while len(entered) > 1:
        version = entered.pop()
        if version not in refreshes or version in entered:
            return
        yield entered[-1]


def _checked(
    project: Project,
    stores: Registry,
    release: ProductionRelease,
    role: Role,
    refreshed: Sequence[Refreshed] = (),
) -> PerformanceVerdict:
    """The check of the rows that a release has in one role, with the estimate of those without an outcome."""
    now = stores.clock.now()
    live = live_rows(project, stores, release, since=now - _LONGEST, role=role)
    test = test_rows(project, stores, release)
    verdict = check_performance(
        live,
        CheckedRelease(project.name, release.release.id, row_shape(project, release), test.window, refreshed),
        rule=project.monitoring.performance,
        now=now,
    )
    estimate = estimate_open_rows(project, stores, release, live, test)
    verdict = verdict if estimate is None else with_estimate(verdict, estimate, project=project.name)
    return replace(verdict, notes=(*verdict.notes, *_slice_rises(verdict, live, project)))


def _left_out(verdict: PerformanceVerdict, project: Project) -> tuple[str, ...]:
    """What the figures leave out, and where outcomes come from while too few are there."""
    notes = []
    if verdict.unusable:
        notes.append(
            f"{verdict.unusable} outcomes are not evaluated: the label is none that the model predicts, or it was "
            f"known before the cutoff of its prediction (touchline outcomes -p {project.name} lists both)."
        )
    if verdict.state == "not_enough_data" and verdict.open:
        notes.append(f"Outcomes come by POST /projects/{project.name}/outcomes, or with the labels of an ingest.")
    return tuple(notes)


def _slice_rises(verdict: PerformanceVerdict, live: LiveRows, project: Project) -> tuple[str, ...]:
    """What is said of slices whose loss rose by itself, or of all at once; from mature rows with an outcome."""
    if not verdict.metrics or verdict.mature_after_seconds is None:  # too few rows of its own
        return ()
    oldest = verdict.at.timestamp() - verdict.mature_after_seconds
    settled = live.at(live.has_label & (live.answered <= oldest))
    losses = loss_rows(verdict.score, settled.labels, settled.predictions)
    return slice_rises(settled, losses, checks_a_year=project.monitoring.performance.checks_a_year)


def _variants(
    project: Project, stores: Registry, production: ProductionRelease, verdict: PerformanceVerdict
) -> tuple[VariantLoss, ...]:
    """The answers of Production, and what both sides of the running rollout answer or predict beside an answer."""
    variants = [VariantLoss.of("production", "answer", production.version.version, verdict)]
    state = RolloutRecords(stores.database, project.name).running()
    sides = {"production": state.rule.reference, "candidate": state.rule.candidate} if state else {}
    for variant, side in sides.items():
        for role in _ROLES:
            if (side.release, role) == (production.release.id, "answer"):
                continue
            checked = _checked(project, stores, open_version(project, stores, side.version), role)
            if checked.rows or checked.open or checked.young:
                variants.append(VariantLoss.of(variant, role, side.version, checked))
    return tuple(variants)


def estimate_open_rows(
    project: Project, stores: Registry, release: ProductionRelease, live: LiveRows, test: TestRows
) -> LossEstimate | None:
    """The estimate for the newest rows without an outcome; None for numbers, and where too few rows are there.

    Labelled rows are the test rows and the live rows that have an outcome.
    """
    is_open = ~live.has_label & (live.days > live.days.max(initial=0) - _OPEN_DAYS)
    if release.version.task == "regression" or is_open.sum() < LEAST_ROWS or len(test.labels) < LEAST_ROWS:
        return None
    current = live.at(is_open)
    reference = labelled_sample(project, stores, release, test, live.at(live.has_label))
    vectors = None if reference.vectors is None else current.vectors
    return estimate_loss(test.window.score, reference, OpenSample(current.predictions, current.days, vectors))
