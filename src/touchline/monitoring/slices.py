"""The loss of each declared slice: how many of its rows are settled, its figures, and whether it is worse.

A slice is the rows of one value of a field. It is called worse only where its mean loss is above that of all other
rows by a one-sided test over clusters, corrected over all slices that are compared (Bonferroni): of many slices one is
always the worst. Its loss in the test window stands beside it, since a slice may be hard by nature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import UnknownName
from touchline.monitoring.live_figures import (
    DayLoss,
    LiveMetric,
    OutputCalibration,
    TestWindow,
    live_calibration,
    live_losses,
    live_metrics,
    loss_trend,
)
from touchline.monitoring.live_rows import LiveRows, RowShape
from touchline.statistics import MIN_CLUSTERS, cluster_codes, interval, paired_comparison
from touchline.statistics.clusters import cluster_sums

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST_ROWS: Final = 30
MOST_SLICES: Final = 40
# More clusters are joined with their neighbours: a resample of each slice then costs milliseconds, also of a long log.
MOST_GROUPS: Final = 200
_ALPHA: Final = 0.05
_CLEARLY_CHANCE: Final = 0.5
_TINY: Final = 1e-300
_TREND_DAYS: Final = 30
_VARIANT: Final = "variant"
_NONE_DECLARED: Final = (
    "No slice to compare: the model has no category column, and Performance(slices=[...]) names no field."
)


@dataclass(frozen=True)
class SlicePerformance:
    """The figures of the rows of one value of a field.

    `rows` are mature and have an outcome, `open` are mature and have none, `young` are not mature. `loss` is None where
    its rows are too few for an interval; its test figure is that of the test rows of the same slice. `others` is the
    mean loss of all other rows. `p_value` is corrected over all comparisons, None where none was made.
    """

    field: str
    value: str
    rows: int
    open: int
    young: int
    message: str
    loss: LiveMetric | None = None
    others: float | None = None
    p_value: float | None = None
    metrics: tuple[LiveMetric, ...] = ()
    calibration: tuple[OutputCalibration, ...] = ()
    trend: tuple[DayLoss, ...] = ()

    @property
    def label(self) -> str:
        """How commands and addresses name the slice."""
        return f"{self.field}={self.value}"

    @property
    def coverage(self) -> float | None:
        """The share of mature rows that have an outcome."""
        return self.rows / (self.rows + self.open) if self.rows + self.open else None

    @property
    def is_worse(self) -> bool:
        """Whether the loss is above that of the other rows beyond chance."""
        return self.p_value is not None and self.p_value <= _ALPHA


@dataclass(frozen=True)
class LiveSlices:
    """The slices with the most rows, the largest first; `left_out` smaller ones are not shown."""

    slices: tuple[SlicePerformance, ...] = ()
    comparisons: int = 0
    left_out: int = 0
    message: str = _NONE_DECLARED

    def find(self, label: str) -> SlicePerformance:
        """The slice of that name, FIELD=VALUE. Raises `UnknownName`."""
        for one in self.slices:
            if one.label == label:
                return one
        raise UnknownName("slice", label, [one.label for one in self.slices])

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> LiveSlices:
        """The slices of a stored verdict; None in one that was stored before verdicts had them."""
        if stored is None:
            return cls(message="The newest check has no slices; the next one has them.")
        return cls(**{**stored, "slices": tuple(_slice_of(one) for one in stored["slices"])})


def _slice_of(stored: Mapping[str, Any]) -> SlicePerformance:
    parts = {
        "loss": None if stored["loss"] is None else LiveMetric(**stored["loss"]),
        "metrics": tuple(LiveMetric(**one) for one in stored["metrics"]),
        "calibration": tuple(OutputCalibration(**one) for one in stored["calibration"]),
        "trend": tuple(DayLoss(**one) for one in stored["trend"]),
    }
    return SlicePerformance(**{**stored, **parts})


def check_slices(live: LiveRows, is_mature: Mask, shape: RowShape, test: TestWindow, *, min_rows: int) -> LiveSlices:
    """The figures of every value of the fields of the rows, and which of them are worse than the other rows.

    With fewer than `min_rows` settled rows in all, no slice has a figure.
    """
    masks, left_out = _masks(live)
    unsent = [name for name, values in live.fields.items() if all(value is None for value in values)]
    without = f" No prediction has a value of {', '.join(unsent)}." if unsent else ""
    if not masks:
        return LiveSlices(message=f"No slice to compare.{without}") if unsent else LiveSlices()
    # A row has what the figures need, and no more: it is copied once a slice.
    live = replace(live, vectors=np.zeros((len(live), 0)), fields={})
    settled = is_mature & live.has_label
    has_figures = int(settled.sum()) >= min_rows
    slices = [_slice(live, members, is_mature, name, (shape, test, has_figures)) for name, members in masks.items()]
    compared = _compare(live.at(settled), [members[settled] for members in masks.values()], slices, test)
    comparisons = sum(one.p_value is not None for one in compared)
    told = tuple(replace(one, message=_message(one, comparisons)) for one in compared)
    report = LiveSlices(told, comparisons, left_out)
    return replace(report, message=f"{_summary(report, test.score)}{without}")


def _masks(live: LiveRows) -> tuple[dict[tuple[str, str], Mask], int]:
    """The rows of the values that have the most, largest first, and how many values are left out.

    A field whose values nobody sent has none, as has a single variant.
    """
    fields: dict[str, Sequence[str | None]] = dict(live.fields)
    if len(set(live.variants)) > 1:
        fields[_VARIANT] = live.variants
    codes: dict[str, Index] = {}
    sizes: list[tuple[int, tuple[str, str], int]] = []
    for name, values in fields.items():
        if any(value is not None for value in values):
            texts = np.array(["(missing)" if value is None else value for value in values], dtype=np.str_)
            levels, codes[name], counts = np.unique(texts, return_inverse=True, return_counts=True)
            sizes += [(-int(counts[place]), (name, str(level)), place) for place, level in enumerate(levels)]
    shown = sorted(sizes)[:MOST_SLICES]
    return {key: codes[key[0]] == place for _, key, place in shown}, len(sizes) - len(shown)


def _groups(clusters: Sequence[str]) -> Index:
    """The group of neighbouring clusters that each row belongs to, `MOST_GROUPS` at most."""
    codes = cluster_codes(np.array(clusters), len(clusters))
    count = int(codes.max(initial=-1)) + 1
    return codes if count <= MOST_GROUPS else codes * MOST_GROUPS // count


def _slice(
    live: LiveRows,
    members: Mask,
    is_mature: Mask,
    name: tuple[str, str],
    figures: tuple[RowShape, TestWindow, bool],
) -> SlicePerformance:
    shape, test, has_figures = figures
    settled = members & is_mature & live.has_label
    found = SlicePerformance(
        field=name[0],
        value=name[1],
        rows=int(settled.sum()),
        open=int((members & is_mature & ~live.has_label).sum()),
        young=int((members & ~is_mature).sum()),
        message="",
    )
    if not has_figures or found.rows < LEAST_ROWS:
        return found
    rows = live.at(settled)
    rows = replace(rows, clusters=tuple(map(str, _groups(rows.clusters).tolist())))
    figures_of_rows = live_metrics(rows, shape, test, normal_from=MOST_GROUPS)
    metrics = tuple(_without_test(one) for one in figures_of_rows if one.low is not None)
    loss = next((one for one in metrics if one.name == test.score), None)
    if loss is None:
        return found
    return replace(
        found,
        loss=_beside_test(loss, name, test),
        metrics=metrics,
        calibration=live_calibration(rows, shape),
        trend=loss_trend(rows, test)[-_TREND_DAYS:],
    )


def _without_test(metric: LiveMetric) -> LiveMetric:
    """The figures of the test window are of all its rows, not of the slice."""
    return replace(metric, test=None, test_low=None, test_high=None, baseline=None)


def _beside_test(loss: LiveMetric, name: tuple[str, str], test: TestWindow) -> LiveMetric:
    """The loss with that of the test rows of the same slice, where they are known and enough."""
    members = np.array([value == name[1] for value in test.fields.get(name[0], ())], dtype=np.bool_)
    if members.sum() < LEAST_ROWS:
        return loss
    found = interval(test.losses[members], test.days[members])
    low, high = (float(end) if np.isfinite(end) else None for end in (found.low, found.high))
    return replace(loss, test=found.value, test_low=low, test_high=high)


def _compare(
    settled: LiveRows, masks: Sequence[Mask], slices: Sequence[SlicePerformance], test: TestWindow
) -> list[SlicePerformance]:
    """The slices with the mean loss of the other rows, and the corrected p-value of having a higher one."""
    if not any(one.loss for one in slices):
        return list(slices)
    losses, groups = live_losses(settled, test), _groups(settled.clusters)
    can_compare = [
        one.loss is not None and min(_distinct(groups[mask]), _distinct(groups[~mask])) >= MIN_CLUSTERS
        for one, mask in zip(slices, masks, strict=True)
    ]
    compared = []
    for one, mask, is_compared in zip(slices, masks, can_compare, strict=True):
        others = float(losses[~mask].mean()) if one.loss and not mask.all() else None
        p = _p_value(losses, mask, groups, sum(can_compare)) if is_compared else None
        compared.append(replace(one, others=others, p_value=p))
    return compared


def _distinct(groups: Index) -> int:
    return int(np.count_nonzero(np.bincount(groups)))


def _p_value(losses: Array, members: Mask, groups: Index, comparisons: int) -> float:
    """The chance of such a difference or a larger one if the slice were as the others, corrected over all slices."""
    inside, outside = losses[members].mean(), losses[~members].mean()
    if inside <= outside:
        return 1.0
    # The difference of two means as a mean over rows: each row with its influence on the difference.
    influence = np.where(
        members,
        (losses - inside) * len(losses) / members.sum(),
        (outside - losses) * len(losses) / (~members).sum(),
    )
    difference = float(inside - outside)
    # Most slices are far from worse: for these the normal limit says as much as a bootstrap, which takes seconds.
    sums = cluster_sums(influence, groups) / len(losses)
    normal = NormalDist().cdf(-difference / sqrt(max(float((sums**2).sum()), _TINY))) * comparisons
    if normal > _CLEARLY_CHANCE:
        return min(1.0, normal)
    differences = influence + difference
    found = paired_comparison(np.zeros_like(losses), differences, groups, alpha=_ALPHA / comparisons)
    return min(1.0, found.p_value * comparisons)


def _message(one: SlicePerformance, comparisons: int) -> str:
    name = f"{one.field} = {one.value}"
    rest = f" {one.young} {'is' if one.young == 1 else 'are'} too young to count." if one.young else ""
    if not one.rows:
        return f"{name}: none of its {one.open + one.young} predictions counts with an outcome yet.{rest}"
    if one.loss is None or one.loss.low is None:
        return (
            f"{name}: {one.rows} mature predictions with an outcome, on too few days or in too few clusters for a "
            f"figure with an interval (at least {LEAST_ROWS} rows).{rest}"
        )
    loss, coverage = one.loss, one.coverage or 0.0
    tested = "its loss in the test window is not known"
    if loss.test is not None:
        between = "" if loss.test_low is None else f" ({loss.test_low:.4g} to {loss.test_high:.4g})"
        tested = f"{loss.test:.4g}{between} on the test rows of this slice"
    others = "" if one.others is None else f", {one.others:.4g} on all other rows"
    figures = f"{loss.name} {loss.value:.4g} ({loss.low:.4g} to {loss.high:.4g}) on {one.rows} mature predictions"
    return f"{name}: {figures}{others}; {tested}. {coverage:.0%} of its mature predictions have an outcome.{rest}" + (
        _compared(one, comparisons)
    )


def _compared(one: SlicePerformance, comparisons: int) -> str:
    if one.p_value is None:
        return f" Not compared with the other rows: that needs {MIN_CLUSTERS} clusters on both sides."
    corrected = f"p = {one.p_value:.2g}, corrected for {comparisons} comparisons"
    return f" {'Worse' if one.is_worse else 'Not shown to be worse'} than the other rows ({corrected})."


def _summary(report: LiveSlices, score: str) -> str:
    """One sentence on all slices; the worst is named only where it is worse beyond chance."""
    left_out = f" The {report.left_out} smallest slices are left out." if report.left_out else ""
    if not report.comparisons:
        known = sum(one.loss is not None for one in report.slices)
        figures = f"{known} of {len(report.slices)} slices have a figure"
        return f"{figures}; none is compared yet: that needs {MIN_CLUSTERS} clusters on both sides.{left_out}"
    worse = sorted((one for one in report.slices if one.is_worse), key=lambda one: one.p_value or 0.0)
    compared = f"{report.comparisons} slices were compared with the other rows, corrected for as many comparisons"
    if not worse:
        return f"No slice is shown to have a higher {score} than the other rows: {compared}.{left_out}"
    named = "; ".join(
        f"{one.field} = {one.value} ({one.loss.value:.4g} against {one.others:.4g}, p = {one.p_value:.2g})"
        for one in worse[:3]
        if one.loss is not None
    )
    more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
    return f"Higher {score} than the other rows: {named}{more}; {compared}.{left_out}"
