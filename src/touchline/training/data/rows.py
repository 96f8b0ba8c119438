"""A training set as arrays: vectors, coded labels, times and clusters of the examples whose label is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import LabelsAllEqual, LabelsUnusable, OneClassOnly
from touchline.features import ColumnSpec, TrainingSet
from touchline.statistics import cluster_codes
from touchline.training.estimators.base import Kind
from touchline.training.spec import Task

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class LabelledRows:
    """The rows that a fit may use. All arrays are in the order of the training set, without its unlabelled rows.

    Times are microseconds since 1970 in UTC; `places` are row numbers in the training set's frame.
    """

    kind: Kind
    classes: tuple[str, ...]
    columns: tuple[ColumnSpec, ...]
    vectors: Array
    labels: Index | Array
    ids: tuple[str, ...]
    cutoffs: Index
    known_at: Index
    clusters: Index
    places: Index
    unlabelled: int
    has_ordered_classes: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, row_numbers: Index) -> LabelledRows:
        """The chosen rows."""
        return replace(
            self,
            vectors=self.vectors[row_numbers],
            labels=self.labels[row_numbers],
            ids=tuple(self.ids[i] for i in row_numbers.tolist()),
            cutoffs=self.cutoffs[row_numbers],
            known_at=self.known_at[row_numbers],
            clusters=self.clusters[row_numbers],
            places=self.places[row_numbers],
        )

    def has_content_of(self, other: LabelledRows) -> bool:
        """Whether a fit learns the same from both, wherever their rows stand in a training set."""
        kinds = (self.kind, self.classes, self.columns, self.ids, self.has_ordered_classes)
        return kinds == (other.kind, other.classes, other.columns, other.ids, other.has_ordered_classes) and all(
            np.array_equal(getattr(self, name), getattr(other, name), equal_nan=True)
            for name in ("vectors", "labels", "cutoffs", "known_at", "clusters")
        )

    def with_columns(self, row_numbers: Sequence[int]) -> LabelledRows:
        """The same rows with the chosen columns, in that order."""
        return replace(
            self, columns=tuple(self.columns[i] for i in row_numbers), vectors=self.vectors[:, list(row_numbers)]
        )


def labelled_rows(task: Task, training_set: TrainingSet, *, now: datetime) -> LabelledRows:
    """The examples whose label is known at `now`.

    Raises `LabelsUnusable` for labels that are no number or no declared class, `OneClassOnly` or `LabelsAllEqual` when
    all are the same.
    """
    frame = training_set.frame.with_row_index("_place")
    labelled = frame.filter(pl.col("label").is_not_null() & (pl.col("label_timestamp") <= now))
    kind, classes, labels = _labels(task, labelled)
    columns = tuple(training_set.columns)
    return LabelledRows(
        kind=kind,
        classes=classes,
        columns=columns,
        vectors=training_set.vectors(labelled),
        labels=labels,
        ids=tuple(labelled["example_id"].cast(pl.String)),
        cutoffs=labelled["cutoff"].to_physical().to_numpy().astype(np.int64),
        known_at=labelled["label_timestamp"].to_physical().to_numpy().astype(np.int64),
        clusters=example_clusters(labelled),
        places=labelled["_place"].to_numpy().astype(np.int64),
        unlabelled=frame.height - labelled.height,
        has_ordered_classes=task.ordered,
    )


def example_clusters(frame: pl.DataFrame) -> Index:
    """A number per cluster; each row is its own cluster where one cluster would hold them all."""
    if "cluster" not in frame.columns or frame["cluster"].n_unique() < 2:
        return np.arange(frame.height, dtype=np.int64)
    return cluster_codes(frame["cluster"].cast(pl.String).fill_null("").to_numpy(), frame.height)


def _labels(task: Task, labelled: pl.DataFrame) -> tuple[Kind, tuple[str, ...], Index | Array]:
    if task.type == "regression":
        numbers = labelled["label"].cast(pl.Float64, strict=False)
        broken = labelled.filter(~numbers.is_finite().fill_null(False))
        if broken.height:
            raise LabelsUnusable(broken["example_id"][0], broken["label"][0], broken.height, "a finite number")
        if labelled.height > 1 and numbers.n_unique() == 1:
            raise LabelsAllEqual(numbers[0], labelled.height)
        return "regression", (), numbers.to_numpy().astype(np.float64)
    names = labelled["label"].cast(pl.String)
    classes = task.classes or tuple(sorted(names.unique()))
    broken = labelled.filter(~names.is_in(list(classes)))
    if broken.height:
        raise LabelsUnusable(broken["example_id"][0], broken["label"][0], broken.height, f"one of {', '.join(classes)}")
    if names.n_unique() < 2:
        raise OneClassOnly(names[0] if labelled.height else None, labelled.height)
    codes = names.replace_strict(list(classes), list(range(len(classes))), return_dtype=pl.Int64)
    return ("binary" if len(classes) == 2 else "multiclass"), classes, codes.to_numpy().astype(np.int64)


def class_shares(labels: Index, classes: int) -> Array:
    """The number of rows of each class."""
    return np.bincount(labels, minlength=classes) / len(labels)
