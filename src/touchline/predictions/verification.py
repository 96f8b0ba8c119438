"""The features of logged predictions against the feature histories, and the skew proof of a release made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from touchline.features import (
    FeatureHistories,
    LoggedVector,
    ServedView,
    SkewProof,
    SkewReport,
    verify,
    write_skew_proof,
)
from touchline.predictions.log_rows import PredictionRecord, Sample
from touchline.predictions.records import PredictionRecords
from touchline.registry import LoadedRelease
from touchline.storage import DataStores

_SEED = 7


@dataclass(frozen=True)
class VerifiedRelease:
    """The skew proof of a release with its report. `given` counts answers whose request brought its own values."""

    release: str
    proof: SkewProof
    report: SkewReport
    given: int


def verify_features(
    release: LoadedRelease,
    stores: DataStores,
    *,
    sample: int | None,
    at: datetime,
    on_progress: Callable[[str], None] = lambda _: None,
) -> VerifiedRelease:
    """Compute logged vectors of a release again from the histories: a random sample of them, or all with None.

    The result is stored as the release's skew proof, which every process that serves it shows in `/metrics`.
    """
    on_progress(f"read the log of {release.id}")
    records = PredictionRecords(stores.database, release.project)
    rows = records.read(records.sample(Sample(sample, release_id=release.id, seed=_SEED)))
    checked = [row for row in rows if not has_own_features(row, release)]
    on_progress(f"compute {len(checked)} vectors again")
    report = verify(
        [LoggedVector.of(vars(row)) for row in checked],
        views=release.views,
        columns=release.columns,
        histories=newest_histories(stores, release.views),
        transforms=release.transforms,
    )
    proof = SkewProof.of(report, project=release.project, release=release.id, verified_at=at)
    write_skew_proof(proof, stores.objects)
    return VerifiedRelease(release.id, proof, report, len(rows) - len(checked))


def has_own_features(row: PredictionRecord, release: LoadedRelease) -> bool:
    """True if the request brought its feature values: the row then tells nothing about stored features."""
    return bool(release.views) and not row.views


def newest_histories(stores: DataStores, views: Sequence[ServedView]) -> dict[str, pl.LazyFrame]:
    """The newest history of each view in the version that a release reads; views without a history are left out."""
    histories = {view.view: FeatureHistories(stores).newest(view) for view in views}
    return {name: history.scan() for name, history in histories.items() if history is not None}
