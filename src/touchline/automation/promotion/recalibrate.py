"""Recalibration of the release in Production for new class shares: estimated, registered, gated and promoted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from touchline.automation.production.cause import open_incident_onset
from touchline.automation.production.labelled_sample import labelled_sample
from touchline.automation.production.release import (
    EPOCH,
    ProductionRelease,
    TestRows,
    first_risen_day,
    live_rows,
    open_production,
    test_rows,
)
from touchline.automation.promotion.promote import promote_version
from touchline.automation.promotion.rollouts import follow_promotion, waiting_reason
from touchline.errors import ReasonMissing, RecalibrationRefused
from touchline.monitoring import LabelledSample, LiveRows, ShareShift, find_share_shift
from touchline.monitoring.loss_estimate import LEAST_ROWS
from touchline.registry import Decision, Recalibration, declared_families, record_recalibration

if TYPE_CHECKING:
    from touchline.automation.promotion.promote import Promotion
    from touchline.automation.runs.steps import PipelineContext
    from touchline.project import Project
    from touchline.registry import Registry

_ENOUGH_BEFORE: Final = 200


@dataclass(frozen=True)
class Recalibrated:
    """A recalibrated version and its promotion; `message` says what became of it beyond Staging."""

    shift: ShareShift
    promotion: Promotion
    message: str | None


def find_production_shift(project: Project, stores: Registry, *, since: date | None = None) -> ShareShift:
    """Whether new class shares explain the predictions of Production since a day.

    By default that is the onset of the open loss incident, or the newest 30 days where none is open. Raises
    `RecalibrationRefused` for a regression, and with too few rows.
    """
    return _find_shift(project, stores, open_production(project, stores), since)


def recalibrate_production(
    context: PipelineContext, *, actor: str, reason: str, since: date | None = None
) -> Recalibrated:
    """Register Production's model under the new class shares, and promote it through the gates as a refresh.

    Raises `RecalibrationRefused` where new class shares do not explain the change, `GateFailed` where a gate says no,
    `ReasonMissing` without a reason.
    """
    if not reason.strip():
        raise ReasonMissing("Recalibrating Production")
    project, stores = context.project, context.stores
    production = open_production(project, stores)
    number = production.version.version
    shift = _find_shift(project, stores, production, since)
    if shift.refusal is not None:
        step = (
            f"Find the cause (touchline monitor cause -p {project.name}), or train again "
            f"(touchline retrain -p {project.name})."
        )
        raise RecalibrationRefused(project.name, number, shift.refusal, step)
    if (waiting := waiting_reason(context)) is not None:
        raise RecalibrationRefused(project.name, number, waiting, "Recalibrate when it has ended.")
    recalibration = Recalibration(
        production.version,
        shift.shares,
        shift.since_on,
        shift.to_json(),
        actor,
        reason,
        project.task.ordered,
        declared_families(project.training),
    )
    version = record_recalibration(stores, recalibration).version
    promotion = promote_version(context, version, Decision(actor, reason))
    followed = follow_promotion(context, promotion.promoted, actor=actor)
    return Recalibrated(shift, promotion.followed_by(followed.promotion), followed.message)


def _find_shift(project: Project, stores: Registry, production: ProductionRelease, since: date | None) -> ShareShift:
    number, classes = production.version.version, production.version.classes
    if not classes:
        step = f"Train again (touchline retrain -p {project.name})."
        raise RecalibrationRefused(project.name, number, "a regression predicts no class shares", step)
    live, test = live_rows(project, stores, production), test_rows(project, stores, production)
    first = first_risen_day(live, since.isoformat() if since else open_incident_onset(project, stores, production))
    current = live.at(live.days >= first)
    before = live.at(live.has_label & (live.days < first))
    since_on = (EPOCH + timedelta(days=first)).isoformat()
    if len(current) < LEAST_ROWS or len(test.labels) < LEAST_ROWS:
        start = f" since {since_on}" if len(live) else ""
        reason = (
            f"{len(current)} predictions{start} and {len(test.labels)} test rows are there, "
            f"{LEAST_ROWS} of each are needed"
        )
        step = f"Wait for more, or name an earlier day: touchline monitor recalibrate -p {project.name} --since DAY"
        raise RecalibrationRefused(project.name, number, reason, step)
    reference = _reference(project, stores, production, test, before)
    return find_share_shift(test.window.score, reference, current, classes, project=project.name, since_on=since_on)


def _reference(
    project: Project, stores: Registry, production: ProductionRelease, test: TestRows, before: LiveRows
) -> LabelledSample:
    """Rows from before the shift with what the release predicts of them: settled ones where they are enough."""
    counts = np.bincount(before.labels.astype(np.int64), minlength=len(production.version.classes))
    if len(before) >= _ENOUGH_BEFORE and counts.min() >= LEAST_ROWS:
        return LabelledSample(before.predictions, before.labels, before.days, before.vectors)
    return labelled_sample(project, stores, production, test, before)
