"""Logged vectors computed again offline, as known at the earlier of cutoff and served watermark; the skew proof.

The proof shares no code with the online reader: values come from histories by the as-of join, and become vectors as
those of a training set do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import ViewNotFound
from touchline.features.declaration.on_demand import CUTOFF, Transform
from touchline.features.declaration.types import INSTANT
from touchline.features.offline.as_of_join import NEVER, HistoryColumns, Lookup
from touchline.features.offline.key_partitions import join_as_of
from touchline.features.offline.training_set import frame_vectors
from touchline.features.vectors.columns import ColumnSpec, Vectors
from touchline.features.vectors.served_view import ServedView
from touchline.features.vectors.watermark import micros
from touchline.features.verification.mismatch import Mismatch
from touchline.statistics import clopper_pearson

Int64s = NDArray[np.int64]
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class ServedFrom:
    """The logged origin of one view's features in one prediction."""

    status: str
    watermark: datetime | None


@dataclass(frozen=True)
class LoggedVector:
    """One logged prediction: the request, the cutoff, the views and the scored vector.

    `inputs` holds the entity keys and raw inputs by request column; `views` is keyed "view" or "view:prefix".
    """

    prediction_id: str
    inputs: Mapping[str, Any]
    cutoff: datetime
    views: Mapping[str, ServedFrom]
    vector: Vectors

    @property
    def is_fallback(self) -> bool:
        """True if a fallback gave the values of a view: that they differ from the history's is then no skew."""
        return any(view.status == "fallback" for view in self.views.values())

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> LoggedVector:
        """From a row of the prediction log, whose vector is float64, little endian."""
        views = {
            label: ServedFrom(found["status"], _instant(found.get("watermark")))
            for label, found in _document(row["views"]).items()
        }
        return cls(
            prediction_id=row["prediction_id"],
            inputs={**_document(row["entity_keys"]), **_document(row["inputs"])},
            cutoff=row["cutoff"],
            views=views,
            vector=np.frombuffer(row["vector"], dtype="<f8"),
        )


@dataclass(frozen=True)
class SkewReport:
    """Of `checked` vectors `matched` were equal in every column. Rows answered by a fall-back are counted apart.

    `upper_bound` is the largest skew rate that is still plausible, one-sided at 95 %.
    """

    checked: int
    matched: int
    fallback_rows: int
    fallback_matched: int
    by_column: Mapping[str, int]
    mismatches: tuple[Mismatch, ...]
    upper_bound: float

    @property
    def mismatched(self) -> int:
        return self.checked - self.matched

    @property
    def skew_rate(self) -> float:
        return self.mismatched / self.checked if self.checked else 0.0


def verify(
    logged: Sequence[LoggedVector],
    *,
    views: Sequence[ServedView],
    columns: Sequence[ColumnSpec],
    histories: Mapping[str, pl.LazyFrame],
    transforms: Sequence[Transform] = (),
    keep: int = 20,
) -> SkewReport:
    """Compare served vectors with what the histories (by view name) give; `keep` mismatches are told one by one."""
    offline = recompute(logged, views=views, columns=columns, histories=histories, transforms=transforms)
    logged_value = np.array([row.vector for row in logged], dtype=np.float64).reshape(len(logged), len(columns))
    differs = ~((logged_value == offline) | (np.isnan(logged_value) & np.isnan(offline)))
    is_fallback = np.array([row.is_fallback for row in logged], dtype=bool)
    is_match = ~differs.any(axis=1)
    checked = int((~is_fallback).sum())
    matched = int((is_match & ~is_fallback).sum())
    counted = differs[~is_fallback].sum(axis=0)
    return SkewReport(
        checked=checked,
        matched=matched,
        fallback_rows=int(is_fallback.sum()),
        fallback_matched=int((is_match & is_fallback).sum()),
        by_column={column.name: int(count) for column, count in zip(columns, counted, strict=True) if count},
        mismatches=_report(logged, columns, logged_value, offline, differs & ~is_fallback[:, None], keep),
        upper_bound=skew_upper_bound(checked - matched, checked),
    )


def recompute(
    logged: Sequence[LoggedVector],
    *,
    views: Sequence[ServedView],
    columns: Sequence[ColumnSpec],
    histories: Mapping[str, pl.LazyFrame],
    transforms: Sequence[Transform] = (),
) -> Vectors:
    """The vectors as the histories (by view name) give them, in model order; `ViewNotFound` where one is missing.

    A view that had not been materialized when the row was answered gives nulls: nothing of it was known online.
    """
    stored = {view.column(name): (view, name) for view in views for name, _ in view.features}
    joined = {view: _known_values(view, logged, histories) for view in views}
    values = [
        joined[stored[column.name][0]][stored[column.name][1]].alias(column.name)
        if column.name in stored
        else _logged_values(column, logged)
        for column in columns
    ]
    cutoffs = pl.Series(CUTOFF, [row.cutoff for row in logged], dtype=INSTANT)
    return frame_vectors(columns, pl.DataFrame([*values, cutoffs]), transforms)


def skew_upper_bound(mismatched: int, checked: int) -> float:
    """The one-sided 95 % bound of Clopper and Pearson; 1 where nothing was checked.

    >>> round(skew_upper_bound(0, 1000), 5)
    0.00299
    """
    if not checked:
        return 1.0
    two_sided = 1 - 2 * (1 - _CONFIDENCE)
    return float(clopper_pearson(mismatched, checked, confidence=two_sided)[1])


def _known_values(
    view: ServedView, logged: Sequence[LoggedVector], histories: Mapping[str, pl.LazyFrame]
) -> pl.DataFrame:
    """The features of a view that were known online when each row was answered."""
    if view.view not in histories:
        raise ViewNotFound(view.view, histories)
    history = histories[view.view]
    cutoffs = np.array([micros(row.cutoff) for row in logged], dtype=np.int64)
    known = np.array([_known_until(view, row) for row in logged], dtype=np.int64)
    lookup = Lookup(_keys(view, logged, history), known, view.ttl_micros, aged_at=cutoffs)
    return join_as_of(history, HistoryColumns(view.join_keys, tuple(name for name, _ in view.features)), [lookup])[0]


def _logged_values(column: ColumnSpec, logged: Sequence[LoggedVector]) -> pl.Series:
    """A raw input as the log has it: instants are text there."""
    values = [row.inputs.get(column.name) for row in logged]
    if column.kind == "category":
        return pl.Series(column.name, [None if value is None else str(value) for value in values], dtype=pl.String)
    if any(isinstance(value, str | date) for value in values):
        return pl.Series(column.name, [_input_instant(value) for value in values], dtype=INSTANT)
    return pl.Series(column.name, values, strict=False).cast(pl.Float64)


def _input_instant(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _known_until(view: ServedView, row: LoggedVector) -> int:
    """The earlier of cutoff and watermark; nothing was known where nothing had been materialized."""
    logged_value = row.views.get(f"{view.view}:{view.prefix}" if view.prefix else view.view)
    if logged_value is None or logged_value.watermark is None:
        return int(NEVER)
    return min(micros(row.cutoff), micros(logged_value.watermark))


def _keys(view: ServedView, logged: Sequence[LoggedVector], history: pl.LazyFrame) -> pl.DataFrame:
    schema = history.collect_schema()
    columns = []
    for key, column, kind in zip(view.join_keys, view.request_columns, view.key_types, strict=True):
        values = [row.inputs.get(column) for row in logged]
        plain = [int(value) if kind == "int" and value is not None else value for value in values]
        columns.append(pl.Series(key, plain, dtype=schema[key]))
    return pl.DataFrame(columns)


def _report(
    logged: Sequence[LoggedVector],
    columns: Sequence[ColumnSpec],
    logged_value: Vectors,
    offline: Vectors,
    differs: NDArray[np.bool_],
    keep: int,
) -> tuple[Mismatch, ...]:
    places = np.argwhere(differs)[:keep]
    return tuple(
        Mismatch(
            logged[row].prediction_id,
            columns[column].name,
            float(logged_value[row, column]),
            float(offline[row, column]),
        )
        for row, column in places
    )


def _document(value: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(value) if isinstance(value, str) else value or {}
    return found


def _instant(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
