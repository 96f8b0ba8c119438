"""An ingest with the work that follows it: features of the declaration and of served releases, and outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.automation.promotion.rollouts import check_running
from touchline.automation.runs import steps
from touchline.automation.runs.released_views import RenewedView, renew_released_views
from touchline.errors import SnapshotNotFound

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.ingest import IngestReport, Source
    from touchline.predictions import Settled


@dataclass(frozen=True)
class Ingested:
    """The reports of an ingest, the settled outcomes, and the view versions renewed for served releases alone.

    `settled` is None while another source was never ingested. `rollout` is the verdict on the rollout that runs.
    """

    reports: tuple[IngestReport, ...]
    settled: Settled | None
    renewed: tuple[RenewedView, ...] = ()
    rollout: str | None = None


def ingest_and_settle(context: PipelineContext, sources: Sequence[Source], *, is_backfill: bool = False) -> Ingested:
    """Ingest these sources, renew the features that the declaration or a served release needs, settle predictions."""
    reports = steps.ingest_all(context, sources, is_backfill=is_backfill)
    try:
        snapshots = steps.current_snapshots(context)
    except SnapshotNotFound:
        return Ingested(reports, None)
    histories = steps.compute_features(context, snapshots)
    steps.materialize_all(context, histories)
    renewed = renew_released_views(context)
    settled = steps.settle(context, steps.current_examples(context, snapshots))
    checked = check_running(context)
    return Ingested(reports, settled, renewed, checked.sentence if checked else None)
