"""The skew proof of a release: the features that it was served with, against the feature histories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from touchline.features import SkewProof, SkewReport, verify, write_skew_proof
from touchline.predictions.recompute import has_own_features, logged_vectors, newest_histories
from touchline.predictions.records import PredictionRecords, Sample
from touchline.registry import LoadedRelease
from touchline.storage import DataStores

_SEED = 7


@dataclass(frozen=True)
class VerifiedRelease:
    """The skew report of a release. `given` counts answers whose request brought its own feature values."""

    release: str
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
        logged_vectors(checked),
        views=release.views,
        columns=release.columns,
        histories=newest_histories(stores, release.views),
        transforms=release.transforms,
    )
    proof = SkewProof.of(report, project=release.project, release=release.id, verified_at=at)
    write_skew_proof(proof, stores.objects)
    return VerifiedRelease(release.id, report, len(rows) - len(checked))
