"""Compute logged answers again, from the vectors in the log and from the features behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from touchline.errors import TouchlineError
from touchline.features import LoggedVector, recompute
from touchline.features.vectors.columns import Vectors
from touchline.predictions.log_rows import PredictionRecord, Sample
from touchline.predictions.records import EVERY_ROLE, PredictionRecords
from touchline.predictions.verification import has_own_features, newest_histories
from touchline.registry import LoadedRelease
from touchline.storage import DataStores

if TYPE_CHECKING:
    import polars as pl

OpenRelease = Callable[[str], LoadedRelease]
"""Opens the release of an id: `Releases.open`."""
FeatureCheck = Literal["equal", "different", "fallback", "given", "no history", "no release"]
_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Replayed:
    """One answer computed again.

    `features` compares the logged vector with the histories. Values of a fall-back and values that the request gave
    are not compared.
    """

    prediction_id: str
    release_id: str
    logged: Mapping[str, Any]
    computed: Mapping[str, Any] | None
    output_matches: bool
    features: FeatureCheck
    difference: str | None = None

    @property
    def matches(self) -> bool:
        return self.output_matches and self.features != "different"

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return "The same prediction." if self.matches else f"A different prediction: {self.difference}."


@dataclass(frozen=True)
class ReplayReport:
    """The number of replayed predictions, the checks of their features, and the predictions that differ."""

    replayed: int
    features: Mapping[FeatureCheck, int]
    mismatches: tuple[Replayed, ...]


def replay(stores: DataStores, prediction_id: str, open_release: OpenRelease) -> Replayed:
    """One logged prediction computed again. Raises `UnknownPrediction`."""
    row = PredictionRecords(stores.database, None).find(prediction_id, roles=EVERY_ROLE)
    return next(_replay_rows(stores, [row], open_release))


def replay_sample(
    stores: DataStores,
    project: str,
    sample: Sample,
    *,
    open_release: OpenRelease,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ReplayReport:
    """A random sample of a project's answers computed again."""
    records = PredictionRecords(stores.database, project)
    ids = records.sample(sample)
    features: Counter[FeatureCheck] = Counter()
    mismatches: list[Replayed] = []
    for start in range(0, len(ids), _BATCH_ROWS):
        for replayed in _replay_rows(stores, records.read(ids[start : start + _BATCH_ROWS]), open_release):
            features[replayed.features] += 1
            if not replayed.matches:
                mismatches.append(replayed)
        on_progress(features.total(), len(ids))
    return ReplayReport(features.total(), dict(features), tuple(mismatches))


def _replay_rows(stores: DataStores, rows: Sequence[PredictionRecord], open_release: OpenRelease) -> Iterator[Replayed]:
    by_release: dict[str, list[PredictionRecord]] = {}
    for row in rows:
        by_release.setdefault(row.release_id, []).append(row)
    for release_id, group in by_release.items():
        try:
            release = open_release(release_id)
        except TouchlineError as missing:
            for row in group:
                yield Replayed(row.prediction_id, release_id, row.output, None, False, "no release", str(missing))
            continue
        yield from _replay_release(stores, release, group)


def _replay_release(stores: DataStores, release: LoadedRelease, rows: Sequence[PredictionRecord]) -> Iterator[Replayed]:
    vectors = np.stack([row.numbers for row in rows]).astype(np.float64)
    outputs = release.model.predict(vectors).tolist()
    checks = _check_features(stores, release, rows, vectors)
    for row, scores, (features, difference) in zip(rows, outputs, checks, strict=True):
        computed = release.output(scores)
        output_matches = computed == row.output
        if not output_matches:
            difference = f"the release answers {_as_text(computed)}, the log has {_as_text(row.output)}"
        yield Replayed(row.prediction_id, release.id, row.output, computed, output_matches, features, difference)


def _as_text(output: Mapping[str, Any]) -> str:
    """An output in full precision, since two that differ may look the same when they are rounded."""
    values = {**output, **output.get("probabilities", {}), **output.get("interval", {})}
    return ", ".join(f"{name} {value}" for name, value in values.items() if not isinstance(value, Mapping))


def _check_features(
    stores: DataStores, release: LoadedRelease, rows: Sequence[PredictionRecord], vectors: Vectors
) -> list[tuple[FeatureCheck, str | None]]:
    histories = newest_histories(stores, release.views)
    logged = [LoggedVector.of(vars(row)) for row in rows]
    checks: list[tuple[FeatureCheck, str | None]] = [
        ("given" if has_own_features(row, release) else _possible_check(vector, release, histories), None)
        for row, vector in zip(rows, logged, strict=True)
    ]
    compared = [place for place, (check, _) in enumerate(checks) if check == "equal"]
    if compared:
        offline = recompute(
            [logged[place] for place in compared],
            views=release.views,
            columns=release.columns,
            histories=histories,
            transforms=release.transforms,
        )
        for place, vector in zip(compared, offline, strict=True):
            checks[place] = _compare(release, vectors[place], vector)
    return checks


def _possible_check(
    vector: LoggedVector, release: LoadedRelease, histories: Mapping[str, pl.LazyFrame]
) -> FeatureCheck:
    """The reason why stored features cannot be compared; "equal" where they can be."""
    if vector.is_fallback:
        return "fallback"
    return "equal" if all(view.view in histories for view in release.views) else "no history"


def _compare(release: LoadedRelease, logged: Vectors, offline: Vectors) -> tuple[FeatureCheck, str | None]:
    differs = np.flatnonzero(~((logged == offline) | (np.isnan(logged) & np.isnan(offline))))
    if not len(differs):
        return "equal", None
    place = int(differs[0])
    return "different", f"{release.columns[place].name} is {offline[place]} offline, {logged[place]} was served"
