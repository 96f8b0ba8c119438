"""The loss of predictions whose outcomes are not known yet: an estimate, valid only without concept change.

If probabilities are calibrated, the expected loss of a row follows from its own probabilities (confidence-based
performance estimation). They are calibrated again on labelled rows, each weighted by how much likelier it is now. How
that would have done on past rows says which calibration counts, and how wide the interval has to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.monitoring.calibrations import Calibration, Labelled, calibration, expected_loss, tried_calibration
from touchline.statistics import (
    PriorShift,
    RowShift,
    cluster_codes,
    estimate_prior_shift,
    row_shift,
    rows_of_shares,
    with_prior,
)
from touchline.training import loss_rows

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_RESAMPLES: Final = 25
_NORMAL_QUANTILE: Final = 1.96
# A variance of errors is known as badly as by this many of them at least.
_LEAST_BLOCKS: Final = 3
# The rows changed where a test of chance at this level says so; weights are used then only, since they cost precision.
_SHIFT_ALPHA: Final = 0.01
LEAST_ROWS: Final = 30


@dataclass(frozen=True, eq=False)
class LabelledSample:
    """Rows with known class numbers: probabilities [rows, classes], vectors [rows, columns] and clusters.

    Where rows have times, the numbers of clusters follow them.
    """

    probabilities: Array
    labels: Array
    clusters: Index
    vectors: Array | None = None


@dataclass(frozen=True, eq=False)
class OpenSample:
    """Rows without a label yet."""

    probabilities: Array
    clusters: Index
    vectors: Array | None = None


@dataclass(frozen=True)
class LossEstimate:
    """The expected mean loss of open rows, with an interval for the loss that will be measured.

    `row_auc` tells open from labelled rows (0.5: they look the same); `is_weighted` where that is beyond chance.
    `prior` compares the shares of the classes; `is_reshared` where these correct the estimate. Valid only without
    concept change.
    """

    score: str
    value: float
    low: float
    high: float
    rows: int
    reference_loss: float
    row_auc: float
    is_weighted: bool
    effective_rows: float
    prior: PriorShift
    is_reshared: bool = False
    note: str = "an estimate, valid only without concept change"

    @property
    def message(self) -> str:
        """One sentence."""
        weighted = ", weighted for covariate shift" if self.is_weighted else ""
        weighted = ", with the new class shares" if self.is_reshared else weighted
        return (
            f"Estimated {self.score} of {self.rows} predictions without outcome: {self.value:.4g} ({self.low:.4g} to "
            f"{self.high:.4g}{weighted}), {self.reference_loss:.4g} on labelled rows; {self.note}."
        )


def estimate_loss(score: str, reference: LabelledSample, current: OpenSample, *, seed: int = 7) -> LossEstimate:
    """Estimate the mean loss of the current rows. Raises `InvalidSample` for samples of unequal classes.

    Where a change of the class shares explains the new rows (prior shift), it corrects the probabilities; else the
    labelled rows are weighted by the density ratio, if open rows can be told from them.
    """
    prior, effect = prior_shift_between(score, reference, current)
    shift = _row_shift(reference, current, seed)
    method = _method(score, reference, current, effect, prior, shift)
    is_weighted = shift.p_value <= _SHIFT_ALPHA and method.prior is None
    expected, variance = method.expected(reference, current)
    spread = _calibration_spread(method, reference, current, seed)
    error = _quantile(method.calibration) * float(
        np.sqrt(variance.sum() / len(expected) ** 2 * effect + spread**2 + method.calibration.variance)
    )
    value = float(expected.mean())
    return LossEstimate(
        score=score,
        value=value,
        low=max(0.0, value - error),
        high=value + error,
        rows=len(expected),
        reference_loss=float(loss_rows(score, reference.labels, reference.probabilities).mean()),
        row_auc=shift.auc,
        is_weighted=is_weighted,
        effective_rows=shift.effective_rows if is_weighted else float(len(reference.labels)),
        prior=prior,
        is_reshared=method.prior is not None,
    )


def expected_classes(score: str, reference: LabelledSample, current: OpenSample, *, seed: int = 7) -> Array:
    """The probability of each class for each current row, calibrated as `estimate_loss` does: [rows, classes]."""
    prior, effect = prior_shift_between(score, reference, current)
    method = _method(score, reference, current, effect, prior, _row_shift(reference, current, seed))
    return method.calibrated(reference, current)


def prior_shift_between(score: str, reference: LabelledSample, current: OpenSample) -> tuple[PriorShift, float]:
    """The class shares of the labelled rows and of the current ones, and by how much clusters raise variances."""
    calibrate = calibration(_labelled(reference))
    effect = _design_effect(score, reference, calibrate)
    calibrated = calibrate(current.probabilities), calibrate(reference.probabilities)
    return estimate_prior_shift(*calibrated, reference.labels, design_effect=effect), effect


def calibrated_loss(score: str, sample: LabelledSample) -> float:
    """The mean loss of the probabilities once they are calibrated on these rows: how well they tell classes apart."""
    calibrate = calibration(_labelled(sample))
    return float(loss_rows(score, sample.labels, calibrate(sample.probabilities)).mean())


@dataclass(frozen=True, eq=False)
class _Method:
    """How expected losses are computed: with weights of the labelled rows, and new class shares or None."""

    calibration: Calibration
    weights: Array
    prior: PriorShift | None

    def expected(
        self, reference: LabelledSample, current: OpenSample, times: Array | float = 1.0
    ) -> tuple[Array, Array]:
        """Mean and variance of each open row's loss; `times` counts the labelled rows of a resample."""
        return expected_loss(self.calibration.score, self.calibrated(reference, current, times), current.probabilities)

    def calibrated(self, reference: LabelledSample, current: OpenSample, times: Array | float = 1.0) -> Array:
        """The probabilities of the open rows, calibrated on the labelled ones."""
        order = _order(reference)
        weights = (self.weights * times)[order]
        calibrated = self.calibration.calibrated(_labelled(reference), current.probabilities, weights)
        return calibrated if self.prior is None else with_prior(calibrated, self.prior.before, self.prior.now)


def _method(
    score: str, reference: LabelledSample, current: OpenSample, effect: float, prior: PriorShift, shift: RowShift
) -> _Method:
    """New class shares where they explain the new rows; else weights where the rows changed beyond chance."""
    tried = tried_calibration(score, _labelled(reference), size=len(current.probabilities), design_effect=effect)
    if prior.is_shift() and tried.takes_shares and other_rows(prior, reference, current) is None:
        return _Method(tried, np.ones(len(shift.weights)), prior)
    return _Method(tried, shift.weights if shift.p_value <= _SHIFT_ALPHA else np.ones(len(shift.weights)), None)


def other_rows(prior: PriorShift, reference: LabelledSample, current: OpenSample) -> RowShift | None:
    """How far a classifier tells the current rows from labelled ones of the same class shares; None where it cannot.

    Without outcomes, inputs that moved look like new class shares where they move the probabilities alike.
    """
    if reference.vectors is None or current.vectors is None:
        return None
    places = rows_of_shares(reference.labels, prior.now)
    clusters = reference.clusters[places], current.clusters
    shift = row_shift(reference.vectors[places], current.vectors, clusters=clusters)
    return shift if shift.p_value <= _SHIFT_ALPHA else None


def _labelled(sample: LabelledSample) -> Labelled:
    order = _order(sample)
    return Labelled(sample.probabilities[order], sample.labels[order])


def _order(sample: LabelledSample) -> Index:
    return np.argsort(sample.clusters, kind="stable")


def _quantile(tried: Calibration) -> float:
    """Student's where the variance of past errors is known from few of them, else the normal one."""
    from scipy.stats import t

    return float(t.ppf(0.975, max(tried.blocks, _LEAST_BLOCKS))) if tried.blocks else _NORMAL_QUANTILE


def _row_shift(reference: LabelledSample, current: OpenSample, seed: int) -> RowShift:
    if reference.vectors is None or current.vectors is None:
        return RowShift(0.5, 1.0, np.ones(len(reference.labels)))
    return row_shift(reference.vectors, current.vectors, clusters=(reference.clusters, current.clusters), seed=seed)


def _design_effect(score: str, reference: LabelledSample, calibrate: Callable[[Array], Array]) -> float:
    """By how much clusters raise the variance of a mean loss around its expectation; at least 1."""
    expected, variance = expected_loss(score, calibrate(reference.probabilities), reference.probabilities)
    residuals = loss_rows(score, reference.labels, reference.probabilities) - expected
    codes = cluster_codes(reference.clusters, len(residuals))
    if codes.max(initial=0) + 1 == len(codes):
        return 1.0
    sums = np.bincount(codes, weights=residuals)
    return max(1.0, float((sums**2).sum() / max(variance.sum(), 1e-12)))


def _calibration_spread(method: _Method, reference: LabelledSample, current: OpenSample, seed: int) -> float:
    """The standard deviation of the estimate over resampled clusters of the reference."""
    codes = cluster_codes(reference.clusters, len(reference.labels))
    rng, count = np.random.default_rng(seed), int(codes.max()) + 1
    values = []
    for _ in range(_RESAMPLES):
        times = np.bincount(rng.integers(0, count, count), minlength=count)[codes]
        values.append(method.expected(reference, current, times.astype(np.float64))[0].mean())
    return float(np.std(values, ddof=1))
