"""The cause of a risen loss: which columns, slices or class shares explain its change between two windows.

A column (or the block of columns of one source) explains the change that is left out when its values are averaged over
the reference: a model that does not use a broken column loses as much before as after. A column whose values are right
and harder to predict explains the change that the reference has too, once it is weighted to the new values. Class
shares are weighted in the same way. A slice explains the excess of its own rows, beyond its share of all rows.

Loss differs between two samples by chance as well. Each explanation therefore counts with the lower end of its
interval, corrected over the number of its rivals; that of a column that drifted counts as estimated. A change of the
loss below its own standard error counts as that error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, sqrt
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.errors import InvalidSample
from touchline.training import loss_rows

Array = NDArray[np.float64]
CauseKind = Literal["column", "block", "slice", "class shares"]

_DRAWS: Final = 4
_MOST_ROWS: Final = 2_000
_BINS: Final = 4
_LEAST_SLICE: Final = 30
# A rival cause explains something by chance: a column that did not drift, or a slice, must explain more to be named.
_UNDRIFTED: Final = 0.6
_BLOCK_GAIN: Final = 0.05
_SMALLEST_CHANGE: Final = 1e-9
_SHARES_ALPHA: Final = 1e-3
# Shares this close to the largest are about equal to it.
_EQUAL: Final = 0.9
_NUMBERS: Final = {2: "two", 3: "three", 4: "four", 5: "five"}
# The chance that any rival cause of a kind explains something where none does.
_CHANCE: Final = 0.05


@dataclass(frozen=True, eq=False)
class LossWindow:
    """Vectors [rows, columns], predictions [rows, outputs] and observed classes [rows, classes], one-hot.

    Where outcomes are not known yet, `observed` holds calibrated probabilities: the loss is then an estimate. For
    numbers `observed` has one column, the values.
    """

    vectors: Array
    predictions: Array
    observed: Array

    def thinned(self) -> LossWindow:
        """At most 2,000 rows, evenly in order."""
        rows = slice(None, None, -(-len(self.vectors) // _MOST_ROWS))
        return LossWindow(self.vectors[rows], self.predictions[rows], self.observed[rows])


@dataclass(frozen=True)
class Cause:
    """One explanation: what it is, its name, and the share of the change in loss that it explains."""

    kind: CauseKind
    name: str
    share: float
    detail: str


@dataclass(frozen=True)
class CauseReport:
    """The mean losses of both windows of a project and their causes, the largest share first.

    A share is what a cause explains by itself: causes that overlap explain the same change, so shares do not add up.

    `is_estimated`: outcomes of the newer window are not known yet, so that its loss is the expected one. `facts` say
    what happened upstream around the onset. `missing` says what is not there yet where no loss can be explained.
    """

    project: str
    score: str
    before: float
    after: float
    causes: tuple[Cause, ...]
    onset_on: str | None = None
    facts: tuple[str, ...] = ()
    is_estimated: bool = False
    missing: str = ""

    @property
    def message(self) -> str:
        """One sentence, with the next step."""
        if not (isfinite(self.before) and isfinite(self.after)):
            return f"Not enough data to explain a loss: {self.missing}"
        what = f"estimated {self.score} (valid only without concept change)" if self.is_estimated else self.score
        change = f"{what} went from {self.before:.4g} to {self.after:.4g}"
        since = f" since about {self.onset_on}" if self.onset_on else ""
        if self.after - self.before <= _SMALLEST_CHANGE and not self.causes:
            return f"Nothing to explain: {change}."
        if self.after - self.before <= _SMALLEST_CHANGE:
            first = self.causes[0]
            return f"{change}: no rise, although {first.kind} {first.name} adds to the loss ({first.detail})."
        if not self.causes and not self.onset_on:
            step = f"see drift (touchline monitor drift -p {self.project}) and wait for more outcomes"
            return f"No cause found: {change}, evenly over columns and slices. No loss incident is open yet: {step}."
        if not self.causes:
            step = f"train again (touchline retrain -p {self.project})"
            return f"No cause found: {change}{since}, evenly over columns and slices; {step}."
        step = f" To recalibrate for new class shares: touchline monitor recalibrate -p {self.project}."
        return f"{change}{since}; {self._explained()}{step if self.names_class_shares else ''}"

    @property
    def rivals(self) -> int:
        """How many of the first causes explain the same change, so that they cannot be told apart; 0: the first alone.

        Each share is what a cause explains by itself. Shares of the first ones that are about equal and that add up to
        more than the change are of the same change.
        """
        first = [cause for cause in self.causes if cause.share >= _EQUAL * self.causes[0].share]
        return len(first) if len(first) > 1 and sum(cause.share for cause in first) > 1 else 0

    def _explained(self) -> str:
        first = self.causes[0]
        named = [f"{cause.kind} {cause.name}" for cause in self.causes]
        if self.rivals:
            which = f"{', '.join(named[: self.rivals - 1])} or {named[self.rivals - 1]}"
            count = _NUMBERS.get(self.rivals, str(self.rivals))
            text = (
                f"one of these {count} explains it, and they cannot be told apart, since each explains "
                f"{first.share:.0%} by itself: {which}."
            )
        else:
            text = f"{first.kind} {first.name} explains {first.share:.0%} of it ({first.detail})."
        rest = self.causes[max(1, self.rivals) :][:2]
        more = ", then ".join(f"{cause.kind} {cause.name} ({cause.share:.0%})" for cause in rest)
        return f"{text} Then {more}." if more else text

    @property
    def names_class_shares(self) -> bool:
        """Whether new class shares are among the causes that the sentence names."""
        return any(cause.kind == "class shares" for cause in self.causes[:3])

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "rivals": self.rivals, "message": self.message}


@dataclass(frozen=True, eq=False)
class CauseModel:
    """What an explanation needs of a model: its score, columns, blocks of columns, levels, and `predict(vectors)`.

    `drifted` names the columns that differ from the reference beyond chance.
    """

    score: str
    columns: Sequence[str]
    predict: Callable[[Array], Array]
    blocks: Mapping[str, Sequence[str]]
    levels: Mapping[str, Sequence[str]]
    drifted: frozenset[str] = frozenset()


def explain_loss(
    reference: LossWindow, current: LossWindow, model: CauseModel, *, project: str, seed: int = 7
) -> CauseReport:
    """Rank the causes of the change in loss from the reference to the current window.

    Raises `InvalidSample` for windows without rows or of other columns than the model's.
    """
    for window in (reference, current):
        if window.vectors.ndim != 2 or window.vectors.shape[1] != len(model.columns) or not len(window.vectors):
            actual = f"rows of shape {window.vectors.shape}"
            raise InvalidSample("A cause", actual, f"rows of {len(model.columns)} columns in both windows")
    old, new = reference.thinned(), current.thinned()
    losses = _losses(model.score, old, old.predictions), _losses(model.score, new, new.predictions)
    before, after = float(losses[0].mean()), float(losses[1].mean())
    error = sqrt(sum(float(side.var()) / len(side) for side in losses))
    change = max(after - before, error)
    if change <= _SMALLEST_CHANGE:
        return CauseReport(project, model.score, before, after, ())
    comparison = _Comparison(model, old, new, losses, change, seed)
    causes = [*comparison.columns(), *comparison.slices(), *comparison.class_shares()]
    named = sorted((cause for cause in causes if cause.share >= 0.1), key=lambda cause: -cause.share)
    return CauseReport(project, model.score, before, after, tuple(named[:10]))


def _losses(score: str, window: LossWindow, predictions: Array) -> Array:
    """The loss of each row, its expectation where outcomes are probabilities."""
    observed = window.observed
    if observed.shape[1] == 1:
        return loss_rows(score, observed[:, 0], predictions)
    by_class = [loss_rows(score, np.full(len(observed), place), predictions) for place in range(observed.shape[1])]
    return np.asarray((observed * np.column_stack(by_class)).sum(axis=1))


@dataclass(frozen=True, eq=False)
class _Excess:
    """A part of the loss of each old and each new row: what matters is by how much its mean has grown."""

    old: Array
    new: Array

    def __sub__(self, other: _Excess) -> _Excess:
        return _Excess(self.old - other.old, self.new - other.new)

    @property
    def mean(self) -> float:
        return float(self.new.mean() - self.old.mean())

    def least(self, quantile: float) -> float:
        """The lower end of the interval of the growth."""
        return self.mean - quantile * sqrt(
            float(self.new.var()) / len(self.new) + float(self.old.var()) / len(self.old)
        )


def _quantile(rivals: int) -> float:
    """The normal quantile of a one-sided interval that holds for all rivals together (Bonferroni)."""
    from scipy.stats import norm

    return float(norm.isf(_CHANCE / max(1, rivals)))


@dataclass(frozen=True, eq=False)
class _Comparison:
    model: CauseModel
    old: LossWindow
    new: LossWindow
    losses: tuple[Array, Array]
    change: float
    seed: int

    def columns(self) -> list[Cause]:
        """Each column, and each block that explains more than any one of its columns."""
        excess = {name: self._excess_with([place]) for place, name in enumerate(self.model.columns)}
        causes = [self._column(place, name, excess[name]) for place, name in enumerate(self.model.columns)]
        return [*causes, *self._blocks(excess)]

    def _blocks(self, of_columns: Mapping[str, _Excess]) -> list[Cause]:
        blocks = {name: members for name, members in self.model.blocks.items() if len(members) > 1}
        quantile, causes = _quantile(len(blocks)), []
        for name, members in blocks.items():
            excess = self._excess_with([self.model.columns.index(member) for member in members])
            best = max((of_columns[member] for member in members), key=lambda column: column.mean)
            has_drifted = sum(member in self.model.drifted for member in members) >= 2
            factor = 1.0 if has_drifted else _UNDRIFTED
            gain = factor * (excess - best).least(quantile) / self.change
            if gain > _BLOCK_GAIN:
                share = factor * excess.least(quantile) / self.change
                detail = f"its {len(members)} columns are wrong together, or belong to other rows"
                causes.append(Cause("block", name, min(1.0, share), detail))
        return causes

    def _column(self, place: int, name: str, excess: _Excess) -> Cause:
        has_drifted = name in self.model.drifted
        # A column that drifted beyond chance has something to explain: the estimate counts, not its lower end.
        quantile = 0.0 if has_drifted else _quantile(len(self.model.columns))
        left_out = excess.least(quantile) / self.change
        harder = self._share_of_weights(self._cells(place), quantile)
        share = (1.0 if has_drifted else _UNDRIFTED) * max(left_out, harder, 0.0)
        detail = "its values are wrong, or mean something else" if left_out >= harder else "its values are harder ones"
        return Cause("column", name, min(1.0, share), detail)

    def _excess_with(self, places: Sequence[int]) -> _Excess:
        """How much loss each row has more than by a model without these columns."""
        rng = np.random.default_rng([self.seed, *places])
        rows = []
        for window, losses in zip((self.old, self.new), self.losses, strict=True):
            total = np.zeros_like(window.predictions)
            for _ in range(_DRAWS):
                vectors = window.vectors.copy()
                drawn = rng.integers(0, len(self.old.vectors), len(vectors))
                vectors[:, list(places)] = self.old.vectors[drawn][:, list(places)]
                total += self.model.predict(vectors)
            rows.append(losses - _losses(self.model.score, window, total / _DRAWS))
        return _Excess(rows[0], rows[1])

    def _cells(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The cell of each old and new row: levels, or eight bins of the reference; nulls are a cell."""
        old, new = self.old.vectors[:, place], self.new.vectors[:, place]
        if self.model.columns[place] in self.model.levels:
            return _codes(old), _codes(new)
        edges = np.unique(np.nanquantile(old, np.arange(1, 8) / 8)) if np.isfinite(old).any() else np.empty(0)
        return _binned(old, edges), _binned(new, edges)

    def _share_of_weights(self, cells: tuple[NDArray[np.int64], NDArray[np.int64]], quantile: float) -> float:
        """The least change in loss of the reference if its cells had the new shares, relative to the change."""
        losses, size = self.losses[0], int(max(part.max() for part in cells)) + 1
        before, after = (np.bincount(part, minlength=size) / len(part) for part in cells)
        weights = np.divide(after, before, out=np.zeros(size), where=before > 0)[cells[0]]
        if weights.sum() <= 0:
            return 0.0
        gain = float(np.average(losses, weights=weights) - losses.mean())
        # Chance is in the losses of the reference, and in which rows fell into which cell on both sides.
        parts = (weights / weights.sum() - 1 / len(losses)) * (losses - losses.mean())
        of_cell = np.bincount(cells[0], weights=losses, minlength=size) / np.maximum(before * len(losses), 1)
        shares = sum(float(of_cell[part].var()) / len(part) for part in cells)
        return (gain - quantile * sqrt(float((parts**2).sum()) + shares)) / self.change

    def slices(self) -> list[Cause]:
        """The slice of each column that holds more of the excess loss than its share of the rows."""
        causes = []
        for place, name in enumerate(self.model.columns):
            if name in self.model.drifted:  # its cells hold other rows than before: the column itself is the cause
                continue
            is_category = name in self.model.levels
            old, new = self.old.vectors[:, place], self.new.vectors[:, place]
            edges = np.empty(0)
            if not is_category:
                if not np.isfinite(old).any():
                    continue
                edges = np.unique(np.nanquantile(old, np.arange(1, _BINS) / _BINS))
            cells = (_codes(old), _codes(new)) if is_category else (_binned(old, edges), _binned(new, edges))
            best = max((self._excess(cells, cell) for cell in np.unique(cells[0]).tolist()), default=(0.0, 0.0, 0))
            if best[0] > 0:
                text = f"{name} = {self._level(name, best[2])}" if is_category else f"{name} {_between(edges, best[2])}"
                detail = f"{best[1]:.0%} of the rows"
                causes.append(Cause("slice", text, min(1.0, best[0]), detail))
        return causes

    def _excess(self, cells: tuple[NDArray[np.int64], NDArray[np.int64]], cell: int) -> tuple[float, float, int]:
        """The lift of a cell (its share of the excess beyond its share of rows), its share of rows, and its number."""
        before, after = cells[0] == cell, cells[1] == cell
        if before.sum() < _LEAST_SLICE or after.sum() < _LEAST_SLICE:
            return 0.0, 0.0, cell
        rows = float(after.mean())
        new, old = self.losses[1][after], self.losses[0][before]
        # The least excess that chance leaves: of many small slices one is always high.
        least = _Excess(old, new).least(_quantile(_BINS * len(self.model.columns)))
        share = least * rows / self.change
        return (share - rows) / max(1 - rows, 1e-9) if rows < 0.95 else 0.0, rows, cell

    def class_shares(self) -> list[Cause]:
        """New shares of the classes, where they changed beyond chance."""
        from scipy.stats import chi2_contingency

        if self.old.observed.shape[1] == 1:
            return []
        sums = np.vstack([self.old.observed.sum(axis=0), self.new.observed.sum(axis=0)])
        if (sums.sum(axis=0) <= 0).any() or chi2_contingency(sums).pvalue > _SHARES_ALPHA:
            return []
        weights = self.old.observed @ ((sums[1] / sums[1].sum()) / np.maximum(sums[0] / sums[0].sum(), 1e-9))
        share = (np.average(self.losses[0], weights=weights) - self.losses[0].mean()) / self.change
        # An exact explanation has a share of 1; more is as wrong as less.
        share = float(np.clip(1 - abs(1 - share), 0.0, 1.0))
        changes = ", ".join(f"{old:.0%} → {new:.0%}" for old, new in zip(*(s / s.sum() for s in sums), strict=True))
        return [Cause("class shares", changes, share, "rows of a class are as before")]

    def _level(self, name: str, code: int) -> str:
        levels = self.model.levels[name]
        return levels[code - 2] if 0 <= code - 2 < len(levels) else ("(missing)" if code == 0 else "(new level)")


def _codes(values: Array) -> NDArray[np.int64]:
    """Levels from 2 on, a new level as 1, null as 0."""
    return np.where(np.isfinite(values), np.maximum(values, -1) + 2, 0).astype(np.int64)


def _binned(values: Array, edges: Array) -> NDArray[np.int64]:
    """Bins from 0 on, null as the last."""
    bins = np.searchsorted(edges, np.where(np.isfinite(values), values, 0.0), side="left")
    return np.where(np.isfinite(values), bins, len(edges) + 1).astype(np.int64)


def _between(edges: Array, cell: int) -> str:
    if cell > len(edges):
        return "(missing)"
    low = f"{edges[cell - 1]:.4g}" if cell > 0 else "lowest"
    return f"from {low} to {edges[cell]:.4g}" if cell < len(edges) else f"above {low}"
