"""Compute logged answers again, from the vectors in the log and from the features behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from touchline.errors import ReleaseNotFound, TouchlineError, UnknownPrediction
from touchline.predictions.recompute import OfflineFeatures
from touchline.registry import load_release
from touchline.registry.release.served_release import ServedRelease, Vectors, served_from
from touchline.storage import Database, ObjectStore
from touchline.storage.tables import predictions, releases

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

Tell = Callable[[int, int], None]
_BATCH = 2000


@dataclass(frozen=True)
class Replayed:
    """One answer computed again. `features_match` is None where the request brought its own values."""

    prediction_id: str
    release_id: str
    said: Mapping[str, Any]
    computed: Mapping[str, Any] | None
    output_matches: bool
    features_match: bool | None
    difference: str | None = None

    @property
    def matches(self) -> bool:
        return self.output_matches and self.features_match is not False


@dataclass(frozen=True)
class Sample:
    """Which logged answers to compute again: so many, at random, answered since then."""

    rows: int = 10_000
    since: datetime | None = None
    seed: int = 0


@dataclass(frozen=True)
class ReplayReport:
    """How many answers were computed again, and those that came out differently."""

    replayed: int
    from_features: int
    mismatches: tuple[Replayed, ...]


def replay(database: Database, objects: ObjectStore, prediction_id: str) -> Replayed:
    """One logged answer, computed again; `UnknownPrediction` if the log does not have it."""
    query = sa.select(predictions).where(predictions.c.prediction_id == prediction_id)
    with database.connect() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownPrediction("The log", [prediction_id])
    return next(_replay_rows(database, objects, [row]))


def replay_sample(
    database: Database,
    objects: ObjectStore,
    project: str,
    sample: Sample | None = None,
    *,
    tell: Tell | None = None,
) -> ReplayReport:
    """A random sample of a project's log, computed again. `tell(done, of)` follows the work."""
    ids = _chosen(database, project, sample or Sample())
    done = from_features = 0
    mismatches: list[Replayed] = []
    for start in range(0, len(ids), _BATCH):
        query = sa.select(predictions).where(predictions.c.prediction_id.in_(ids[start : start + _BATCH]))
        with database.connect() as connection:
            batch = connection.execute(query).mappings().all()
        for found in _replay_rows(database, objects, batch):
            done += 1
            from_features += found.features_match is not None
            if not found.matches:
                mismatches.append(found)
        if tell is not None:
            tell(done, len(ids))
    return ReplayReport(done, from_features, tuple(mismatches))


def _chosen(database: Database, project: str, sample: Sample) -> list[str]:
    query = sa.select(predictions.c.prediction_id).where(predictions.c.project == project)
    if sample.since is not None:
        query = query.where(predictions.c.answered_at >= sample.since)
    with database.connect() as connection:
        ids = sorted(connection.scalars(query))
    if len(ids) <= sample.rows:
        return ids
    chosen = np.random.default_rng(sample.seed).choice(len(ids), size=sample.rows, replace=False)
    return [ids[index] for index in sorted(chosen)]


def _replay_rows(database: Database, objects: ObjectStore, rows: Sequence[RowMapping]) -> Iterator[Replayed]:
    by_release: dict[str, list[RowMapping]] = {}
    for row in rows:
        by_release.setdefault(row["release_id"], []).append(row)
    for release_id, group in by_release.items():
        try:
            release = load_by_id(database, objects, release_id)
        except TouchlineError as missing:
            for row in group:
                yield Replayed(row["prediction_id"], release_id, row["output"], None, False, None, str(missing))
            continue
        yield from _replay_release(OfflineFeatures(database, objects, release), release, group)


def load_by_id(database: Database, objects: ObjectStore, release_id: str) -> ServedRelease:
    """The verified release of that id. Raises `ReleaseNotFound`, `ReleaseTampered` or `ReleaseBroken`."""
    query = sa.select(releases).where(releases.c.id == release_id)
    with database.connect() as connection:
        found = connection.execute(query).mappings().first()
    if found is None:
        raise ReleaseNotFound("The registry", release_id)
    return served_from(load_release(objects.local_path(found["object_key"]), digest=found["digest"]))


def _replay_release(offline: OfflineFeatures, release: ServedRelease, rows: Sequence[RowMapping]) -> Iterator[Replayed]:
    vectors = np.stack([np.frombuffer(row["vector"], dtype="<f8") for row in rows]).astype(np.float64)
    outputs = release.model.predict(vectors)
    recomputed = offline.vectors(rows)
    for index, row in enumerate(rows):
        computed = release.output(outputs[index].tolist())
        output_matches = computed == row["output"]
        features_match, difference = _compare(release, vectors[index], recomputed[index])
        if not output_matches:
            difference = f"the release answers {computed}, the log has {row['output']}"
        yield Replayed(
            row["prediction_id"], release.id, row["output"], computed, output_matches, features_match, difference
        )


def _compare(release: ServedRelease, logged: Vectors, recomputed: Vectors | None) -> tuple[bool | None, str | None]:
    if recomputed is None:
        return None, None
    same = (logged == recomputed) | (np.isnan(logged) & np.isnan(recomputed))
    if same.all():
        return True, None
    index = int(np.flatnonzero(~same)[0])
    return False, f"{release.columns[index].name} is {recomputed[index]} offline, {logged[index]} was served"
