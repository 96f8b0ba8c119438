"""The skew proof over the prediction log: what a release was served with, against what the histories give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.cli.opening import OpenedProject

if TYPE_CHECKING:
    import polars as pl

    from touchline.features import LoggedVector, ServedView, SkewReport
    from touchline.registry import LoadedRelease

_SEED = 7


@dataclass(frozen=True)
class VerifiedRelease:
    """What was found for one release. `given` counts answers whose request brought its own feature values."""

    release: str
    report: SkewReport
    given: int


def verify_served(
    opened: OpenedProject, version: str, *, sample: int | None, say: Callable[[str], None]
) -> VerifiedRelease:
    """Compute the logged vectors of a version's release again; a random `sample` of them, or all.

    What comes out is kept: the processes that serve the release tell it in `/metrics`.
    """
    from touchline.features import SkewProof, verify, write_skew_proof

    release = release_of(opened, version)
    say(f"read the log of {release.id}")
    logged, given = _logged(opened, release, sample)
    say(f"compute {len(logged)} vectors again")
    manifest = release.manifest
    report = verify(
        logged,
        views=manifest.views,
        columns=manifest.columns,
        histories=_histories(opened, manifest.views),
        transforms=release.transforms,
    )
    at = opened.clock.wall()
    proof = SkewProof.of(report, project=opened.project.name, release=release.id, verified_at=at)
    write_skew_proof(proof, opened.stores.objects)
    return VerifiedRelease(release.id, report, given)


def release_of(opened: OpenedProject, version: str) -> LoadedRelease:
    """The verified release of a version; one that never had a release is not there to be read."""
    from touchline.errors import ReleaseNotFound
    from touchline.registry import open_release, read_version

    registry = opened.stores
    found = read_version(registry, opened.project.name, version)
    release = open_release(registry, found.release_id) if found.release_id else None
    if release is None:
        raise ReleaseNotFound(opened.project.name, found.release_id or f"of version {found.version}")
    return release


def _logged(opened: OpenedProject, release: LoadedRelease, sample: int | None) -> tuple[list[LoggedVector], int]:
    """The answers to check, and how many others brought their own values and so say nothing of features."""
    import numpy as np
    import sqlalchemy as sa

    from touchline.features import LoggedVector
    from touchline.storage.tables import predictions

    mine = (predictions.c.project == opened.project.name) & (predictions.c.release_id == release.id)
    with opened.stores.database.connect() as connection:
        ids = sorted(connection.scalars(sa.select(predictions.c.prediction_id).where(mine)))
        if sample is not None and sample < len(ids):
            ids = sorted(np.random.default_rng(_SEED).choice(ids, size=sample, replace=False).tolist())
        rows = [
            dict(row)
            for start in range(0, len(ids), 1000)
            for row in connection.execute(
                sa.select(predictions).where(predictions.c.prediction_id.in_(ids[start : start + 1000]))
            ).mappings()
        ]
    served = [row for row in rows if row["views"] or not release.manifest.views]
    return [LoggedVector.of(row) for row in served], len(rows) - len(served)


def _histories(opened: OpenedProject, views: Sequence[ServedView]) -> Mapping[str, pl.LazyFrame]:
    """The newest history of each view in the version that the release reads."""
    import polars as pl
    import sqlalchemy as sa

    from touchline.storage.tables import feature_histories as table

    found = {}
    for view in views:
        query = sa.select(table.c.object_key).where(
            table.c.project == view.project, table.c.view == view.view, table.c.feature_version == view.feature_version
        )
        with opened.stores.database.connect() as connection:
            key = connection.scalar(query.order_by(table.c.created_at.desc()).limit(1))
        if key is not None:
            found[view.view] = pl.scan_parquet(opened.stores.objects.local_path(key))
    return found
