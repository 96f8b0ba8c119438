"""The logged answers of a release as arrays, with the outcomes that are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from touchline.clock import Clock, SystemClock
from touchline.errors import ProfileMismatch
from touchline.predictions import ObservedOutcome, OutcomeRecords, PredictionRecord, PredictionRecords
from touchline.rollout import class_number
from touchline.statistics import CategoryColumn, Profile, level_codes
from touchline.storage import Database
from touchline.training import Kind

Array = NDArray[np.float64]
Index = NDArray[np.int64]
_DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class LiveRows:
    """Answers in order of their cutoffs, one an example (the last one).

    `labels` are class numbers or values, NaN while open; `answered` and `received` (of the label, NaN while open) are
    seconds since 1970 in project time, `days` the days of the cutoffs since 1970. `fields` holds texts by which rows
    can be grouped. `repeats` counts earlier answers to the same example, `unusable` labels that are no class, no
    number, or were known before the cutoff.
    """

    predictions: Array
    vectors: Array
    labels: Array
    answered: Array
    received: Array
    days: Index
    clusters: tuple[str, ...]
    variants: tuple[str, ...]
    fields: Mapping[str, tuple[str | None, ...]]
    repeats: int = 0
    unusable: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def has_label(self) -> NDArray[np.bool_]:
        return np.isfinite(self.labels)

    def at(self, mask: NDArray[np.bool_]) -> LiveRows:
        """The rows where the mask is true."""
        places = np.flatnonzero(mask).tolist()
        return replace(
            self,
            predictions=self.predictions[mask],
            vectors=self.vectors[mask],
            labels=self.labels[mask],
            answered=self.answered[mask],
            received=self.received[mask],
            days=self.days[mask],
            clusters=tuple(self.clusters[place] for place in places),
            variants=tuple(self.variants[place] for place in places),
            fields={name: tuple(values[place] for place in places) for name, values in self.fields.items()},
        )


@dataclass(frozen=True)
class RowShape:
    """The rows of a release: their role in the log, its task, the classes in order, and fields to group by.

    Where its examples are clustered, a row that names no example belongs to the day of its cutoff (UTC).
    """

    kind: Kind
    classes: tuple[str, ...]
    width: int
    fields: tuple[str, ...] = ()
    role: Literal["answer", "shadow"] = "answer"
    is_clustered: bool = False


def read_live_rows(
    database: Database,
    project: str,
    shapes: Mapping[str, RowShape],
    *,
    clock: Clock,
    since: datetime | None = None,
) -> dict[str, LiveRows]:
    """The answers (or shadows) of releases up to now (since an instant), with the newest outcomes known by then.

    `shapes` names the releases, whose rows have one role: the log is read once for all of them.

    Times are project time. The log has the wall's time of an answer: where project time stands still, as in a sample,
    an answer counts as given at its cutoff. An outcome counts if it was received by now, so a clock that goes back only
    hides rows. A label that was known before the answer's cutoff is unusable. Raises `ProfileMismatch` for vectors or
    outputs of another shape.
    """
    (role,) = {shape.role for shape in shapes.values()}
    answers: dict[str, list[PredictionRecord]] = {release_id: [] for release_id in shapes}
    for answer in _answers(PredictionRecords(database, project), tuple(shapes), role, clock, since):
        answers[answer.release_id].append(answer)
    outcomes = OutcomeRecords(database, project).observed({_key(one) for some in answers.values() for one in some})
    now = clock.now()
    return {
        release_id: _live_rows(answers[release_id], outcomes, shape, release_id, now)
        for release_id, shape in shapes.items()
    }


def _live_rows(
    answers: Sequence[PredictionRecord],
    outcomes: Mapping[str, ObservedOutcome],
    shape: RowShape,
    release_id: str,
    now: datetime,
) -> LiveRows:
    last = {_key(answer): answer for answer in answers}
    rows = sorted(last.values(), key=lambda answer: (answer.cutoff, answer.prediction_id))
    labels, received, unusable = _labels(rows, outcomes, shape, now)
    return LiveRows(
        predictions=_predictions(rows, shape, release_id),
        vectors=_vectors(rows, shape, release_id),
        labels=labels,
        answered=np.array([row.answered_at.timestamp() for row in rows], dtype=np.float64),
        received=received,
        days=np.array([int(row.cutoff.timestamp() // _DAY.total_seconds()) for row in rows], dtype=np.int64),
        clusters=tuple(_cluster(row, shape) for row in rows),
        variants=tuple(row.variant for row in rows),
        fields={name: tuple(_field(row, name) for row in rows) for name in shape.fields},
        repeats=len(answers) - len(rows),
        unusable=unusable,
    )


def _answers(
    records: PredictionRecords, release_ids: Collection[str], role: str, clock: Clock, since: datetime | None
) -> Iterator[PredictionRecord]:
    """The answers of some releases up to now, each with the project time at which it was given."""
    roles, until = (role,), clock.now() + timedelta(microseconds=1)
    if isinstance(clock, SystemClock):
        for batch in records.batches(since=since, until=until, roles=roles, release_ids=release_ids):
            yield from batch
        return
    ever, in_time = max(until, clock.wall()), (since, until)
    for batch in records.batches(since=None, until=ever, roles=roles, release_ids=release_ids, cutoffs=in_time):
        yield from (replace(answer, answered_at=answer.cutoff) for answer in batch)


def _key(row: PredictionRecord) -> str:
    """The id under which the row's outcome is stored; that of a shadow without an example is its answer's."""
    return row.example_id or row.answer_id or row.prediction_id


def _cluster(row: PredictionRecord, shape: RowShape) -> str:
    alone = f"{row.cutoff.astimezone(UTC):%Y-%m-%d}" if shape.is_clustered else _key(row)
    return row.cluster or alone


def with_categories(rows: LiveRows, profile: Profile, names: Sequence[str]) -> LiveRows:
    """The rows with the named category columns (all, if no name is given) as fields to group by."""
    fields = dict(rows.fields)
    for place, column in enumerate(profile.features):
        if isinstance(column, CategoryColumn) and (not names or column.name in names):
            fields[column.name] = category_texts(column, rows.vectors[:, place])
    return replace(rows, fields=fields)


def category_texts(column: CategoryColumn, codes: Array) -> tuple[str, ...]:
    """The levels of encoded values as texts."""
    levels = (*column.levels, "(new level)", "(missing)")
    return tuple(levels[code] for code in level_codes(column, codes).tolist())


def _labels(
    rows: Sequence[PredictionRecord], outcomes: Mapping[str, ObservedOutcome], shape: RowShape, now: datetime
) -> tuple[Array, Array, int]:
    labels, received = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    counts: Counter[str] = Counter()
    for place, row in enumerate(rows):
        outcome = outcomes.get(_key(row))
        if outcome is None or outcome.received_at > now:
            continue
        label = None if outcome.label_timestamp < row.cutoff else _number(outcome, shape)
        counts["unusable"] += label is None
        if label is not None:
            labels[place] = label
            received[place] = max(outcome.received_at, row.answered_at).timestamp()
    return labels, received, counts["unusable"]


def _number(outcome: ObservedOutcome, shape: RowShape) -> float | None:
    if shape.classes:
        return class_number(outcome.label, shape.classes)
    try:
        value = float(outcome.label)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _vectors(rows: Sequence[PredictionRecord], shape: RowShape, release_id: str) -> Array:
    widths = {len(row.numbers) for row in rows}
    if widths - {shape.width}:
        raise ProfileMismatch(release_id, f"vectors of {sorted(widths)} numbers", f"{shape.width} features")
    joined = b"".join(row.vector for row in rows)
    return np.frombuffer(joined, dtype="<f8").reshape(len(rows), shape.width)


def _predictions(rows: Sequence[PredictionRecord], shape: RowShape, release_id: str) -> Array:
    try:
        if shape.classes:
            values = [[row.output["probabilities"][name] for name in shape.classes] for row in rows]
        else:
            values = [[row.output["value"]] for row in rows]
    except KeyError as missing:
        raise ProfileMismatch(release_id, f"an output without {missing}", "an output for each class") from missing
    return np.array(values, dtype=np.float64).reshape(len(rows), max(len(shape.classes), 1))


def _field(row: PredictionRecord, name: str) -> str | None:
    value = row.entity_keys.get(name, row.inputs.get(name))
    return None if value is None else str(value)
