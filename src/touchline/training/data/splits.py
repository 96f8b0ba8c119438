"""The split of examples into rows for fits and rows for evaluation.

By time, the default: the test window is the newest part, and the evaluation fit knows only labels that were known
before it begins. Where all cutoffs are equal the parts are drawn at random, class by class; `grouped` keeps every
cluster whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from touchline.errors import ClassMissing, TooFewExamples
from touchline.training.data.rows import LabelledRows
from touchline.training.periods import before
from touchline.training.spec import Training

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
SplitMethod = Literal["time", "stratified", "grouped"]

# Fewer examples than this in a part make its numbers meaningless.
_LEAST_FIT = 20
_LEAST_TEST = 5
LEAST_EXAMPLES = _LEAST_FIT + _LEAST_TEST


@dataclass(frozen=True)
class FitWindow:
    """One fit and the rows it is scored on, as row numbers of the labelled rows."""

    fit: Index
    validation: Index


@dataclass(frozen=True)
class SplitPart:
    """A named part: how many examples, between which cutoffs; none where all examples have the same cutoff."""

    name: str
    rows: int
    first_cutoff: datetime | None
    last_cutoff: datetime | None


@dataclass(frozen=True)
class SplitReport:
    """A summary of the split for people.

    `held_back` examples lie before the test window, but their labels were known too late for the evaluation fit.
    """

    method: SplitMethod
    parts: tuple[SplitPart, ...]
    held_back: int
    unlabelled: int
    embargo: timedelta

    def part(self, name: str) -> SplitPart:
        return next(part for part in self.parts if part.name == name)


@dataclass(frozen=True)
class Split:
    """The division itself, as row numbers of the labelled rows. `windows` lie inside `train`, oldest first."""

    train: Index
    test: Index
    windows: tuple[FitWindow, ...]
    report: SplitReport


def make_split(rows: LabelledRows, training: Training, *, windows: int = 1) -> Split:
    """Train and test rows, and inside train the windows that settings are chosen on."""
    method = split_method(rows, training)
    if len(rows) < LEAST_EXAMPLES:
        raise TooFewExamples("labelled examples", len(rows), LEAST_EXAMPLES)
    if method == "time":
        train, test, chosen, held_back = _by_time(rows, training, windows)
    else:
        train, test, chosen = _at_random(rows, training, windows, grouped=method == "grouped")
        held_back = 0
    for name, part, least in (("examples to fit", chosen[-1].fit, _LEAST_FIT), ("test examples", test, _LEAST_TEST)):
        if len(part) < least:
            raise TooFewExamples(name, len(part), least)
    missing = _missing(rows, train)
    if missing:
        raise ClassMissing(missing, "known before the test window", len(train))
    report = SplitReport(method, _parts(rows, chosen[-1], test), held_back, rows.unlabelled, _gap(training, rows))
    return Split(train, test, chosen, report)


def latest_windows(rows: LabelledRows, training: Training, *, windows: int = 1) -> tuple[FitWindow, ...]:
    """Windows inside all labelled rows, for the shipping fit, which has no test window."""
    everything = np.arange(len(rows), dtype=np.int64)
    method = split_method(rows, training)
    if method == "time":
        return _rolling(rows, training, everything, windows)
    return _folds(rows, training, everything, windows, grouped=method == "grouped")


def split_method(rows: LabelledRows, training: Training) -> SplitMethod:
    """How the rows are divided: in time, unless something else is declared or they have no time."""
    if training.split != "auto":
        return training.split
    return "stratified" if len(np.unique(rows.cutoffs)) < 2 else "time"


def _gap(training: Training, rows: LabelledRows) -> timedelta:
    if training.embargo is None or len(rows) == 0:
        return timedelta(0)
    newest = _instant(int(rows.cutoffs.max()))
    return newest - before(newest, training.embargo)


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def _microseconds(instant: datetime) -> int:
    return (instant - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _start(cutoffs: Index, window: float | str | timedelta) -> int:
    """The first row of the newest window; examples with equal cutoffs stay together."""
    if isinstance(window, float | int):
        ordered = np.sort(cutoffs)
        return int(ordered[min(len(ordered) - 1, int(np.ceil(len(ordered) * (1 - window))))])
    return _microseconds(before(_instant(int(cutoffs.max())), window)) + 1


def _known_before(rows: LabelledRows, start: int, gap: int) -> Mask:
    """Examples that lie before an instant, an embargo apart, and whose labels were known by then."""
    return (rows.cutoffs < start - gap) & (rows.known_at <= start)


def _by_time(rows: LabelledRows, training: Training, windows: int) -> tuple[Index, Index, tuple[FitWindow, ...], int]:
    gap = _gap(training, rows) // timedelta(microseconds=1)
    start = _start(rows.cutoffs, training.test)
    train = np.flatnonzero(_known_before(rows, start, gap))
    held_back = int((rows.cutoffs < start).sum()) - len(train)
    if len(train) < _LEAST_FIT:
        raise TooFewExamples("examples with a label known before the test window", len(train), _LEAST_FIT)
    return train, np.flatnonzero(rows.cutoffs >= start), _rolling(rows, training, train, windows), held_back


def _rolling(rows: LabelledRows, training: Training, inside: Index, windows: int) -> tuple[FitWindow, ...]:
    """Expanding windows: each validates on the next stretch and fits on all that was known before it."""
    gap = _gap(training, rows) // timedelta(microseconds=1)
    cutoffs = rows.cutoffs[inside]
    share = training.validation
    if "validation" not in training.model_fields_set and _is_few(rows, inside):
        share, windows = _FEW_SHARE, max(windows, _FEW_FOLDS)
    elif "validation" not in training.model_fields_set and rows.kind == "regression":
        share, windows = _NUMBERS_SHARE, max(windows, _NUMBERS_WINDOWS)
    first = _start(cutoffs, share)
    newest = np.sort(cutoffs[cutoffs >= first])
    edges = [int(newest[len(newest) * step // windows]) for step in range(windows)] + [int(cutoffs.max()) + 1]
    found = []
    for start, end in pairwise(edges):
        fit = inside[_known_before(rows, start, gap)[inside]]
        validation = inside[(cutoffs >= start) & (cutoffs < end)]
        if len(fit) >= _LEAST_FIT and len(validation):
            found.append(FitWindow(fit, validation))
    known = [window for window in found if not _missing(rows, window.fit)]
    if found and not known:
        raise ClassMissing(_missing(rows, found[-1].fit), "known before the validation window", len(found[-1].fit))
    found = known
    if not found:
        raise TooFewExamples("examples with a label known before the validation window", 0, _LEAST_FIT)
    return tuple(found)


def _missing(rows: LabelledRows, part: Index) -> list[str]:
    """Classes that none of these rows has."""
    there = set(np.unique(rows.labels[part]).tolist())
    return [name for code, name in enumerate(rows.classes) if code not in there]


def _at_random(
    rows: LabelledRows, training: Training, windows: int, *, grouped: bool
) -> tuple[Index, Index, tuple[FitWindow, ...]]:
    if not isinstance(training.test, float):
        raise TooFewExamples("cutoffs to measure a test window in time", 1, 2)
    everything = np.arange(len(rows), dtype=np.int64)
    is_test = _draw(rows, everything, training.test, training.seed, grouped=grouped)
    train = everything[~is_test]
    return train, everything[is_test], _folds(rows, training, train, windows, grouped=grouped)


def _folds(
    rows: LabelledRows, training: Training, inside: Index, windows: int, *, grouped: bool
) -> tuple[FitWindow, ...]:
    if windows == 1 and _is_few(rows, inside):
        windows = _FEW_FOLDS
    if windows == 1:
        share = training.validation if isinstance(training.validation, float) else 0.2
        held = _draw(rows, inside, share, training.seed + 1, grouped=grouped)
        return (FitWindow(inside[~held], inside[held]),)
    return _dealt_folds(rows, inside, training.seed + 1, windows, grouped=grouped)


def further_deals(rows: LabelledRows, training: Training, split: Split) -> tuple[tuple[FitWindow, ...], ...]:
    """Further divisions of the training rows into folds, where rows are few and have no time (Kim 2009).

    Which rows share a fold is chance, and with few rows that chance decides between candidates.
    """
    if split.report.method == "time" or len(split.windows) < _FEW_FOLDS or len(split.train) >= _FEW_ROWS:
        return ()
    grouped, folds = split.report.method == "grouped", len(split.windows)
    seeds = (training.seed + 2 + deal for deal in range(_MORE_DEALS))
    return tuple(_dealt_folds(rows, split.train, seed, folds, grouped=grouped) for seed in seeds)


def _dealt_folds(rows: LabelledRows, inside: Index, seed: int, folds: int, *, grouped: bool) -> tuple[FitWindow, ...]:
    fold = _deal(rows, inside, seed, grouped=grouped) * folds // _PARTS
    return tuple(FitWindow(inside[fold != k], inside[fold == k]) for k in range(folds))


def _is_few(rows: LabelledRows, inside: Index) -> bool:
    """Whether one validation part is too small to compare candidates on: cross-validation takes its place."""
    rarest = np.bincount(rows.labels[inside].astype(np.int64)).min() if rows.kind == "binary" else _FEW_POSITIVES
    return len(inside) < _FEW_ROWS or bool(rarest < _FEW_POSITIVES)


_FEW_ROWS = 1_000
_FEW_POSITIVES = 300
_FEW_FOLDS = 5
_FEW_SHARE = 0.5
_MORE_DEALS = 2
# The level of numbers moves: one window chooses a candidate, a scale and rounds that the next season does not want.
_NUMBERS_SHARE = 0.4
_NUMBERS_WINDOWS = 4
_PARTS = 1000


def _draw(rows: LabelledRows, inside: Index, share: float, seed: int, *, grouped: bool) -> Mask:
    return np.asarray(_deal(rows, inside, seed, grouped=grouped) < round(share * _PARTS))


def _deal(rows: LabelledRows, inside: Index, seed: int, *, grouped: bool) -> Index:
    """A number from 0 to 999 per row, evenly within each class (or per cluster), in an order drawn by the seed."""
    random = np.random.default_rng(seed)
    labels, clusters = rows.labels[inside], rows.clusters[inside]
    if grouped:
        unique, where = np.unique(clusters, return_inverse=True)
        dealt = random.permutation(len(unique)) * _PARTS // len(unique)
        return np.asarray(dealt[where], dtype=np.int64)
    strata = labels if rows.kind != "regression" else np.argsort(np.argsort(labels)) * 10 // len(labels)
    dealt = np.empty(len(inside), dtype=np.int64)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        dealt[random.permutation(members)] = np.arange(len(members)) * _PARTS // len(members)
    return dealt[_first_twins(rows.vectors[inside], labels, are_classes=rows.kind != "regression")]


def _first_twins(vectors: NDArray[np.float64], labels: NDArray[np.generic], *, are_classes: bool) -> Index:
    """For each row the place of its first copy, a row with the same values and label: copies stay on one side.

    Values that occur with several classes identify no row, so rows that share them are examples of their own. Dealt as
    copies, all rows of one class among them would be on one side, and those of the other class on the other.
    """
    values = [vector.tobytes() for vector in vectors]
    classes: dict[bytes, set[object]] = defaultdict(set)
    for key, label in zip(values, labels.tolist(), strict=True):
        classes[key].add(label)
    first: dict[tuple[bytes, object], int] = {}
    return np.array(
        [
            place if are_classes and len(classes[key]) > 1 else first.setdefault((key, label), place)
            for place, (key, label) in enumerate(zip(values, labels.tolist(), strict=True))
        ],
        dtype=np.int64,
    )


def _parts(rows: LabelledRows, last: FitWindow, test: Index) -> tuple[SplitPart, ...]:
    named: Sequence[tuple[str, Index]] = (("train", last.fit), ("validation", last.validation), ("test", test))
    is_timed = len(np.unique(rows.cutoffs)) > 1
    parts = []
    for name, part in named:
        cutoffs = rows.cutoffs[part]
        between = (
            (_instant(int(cutoffs.min())), _instant(int(cutoffs.max()))) if is_timed and len(part) else (None, None)
        )
        parts.append(SplitPart(name, len(part), *between))
    return tuple(parts)
