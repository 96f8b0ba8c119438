"""Whether new class shares alone explain the newest predictions (prior shift), so that recalibration mends the loss.

The shares are estimated from predicted probabilities, without outcomes. Outcomes that are there check the estimate:
where they contradict it, the relation of inputs and classes has changed (concept change), and only training mends that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.monitoring.live_rows import LiveRows
from touchline.monitoring.loss_estimate import LEAST_ROWS, LabelledSample, OpenSample, other_rows, prior_shift_between
from touchline.statistics import PriorShift
from touchline.training import ClassShares, loss_rows

Array = NDArray[np.float64]
_ALPHA: Final = 0.01
_LEAST_OF_A_CLASS: Final = 5


@dataclass(frozen=True)
class RecalibratedLoss:
    """The mean loss of settled rows as they were predicted, and as the new shares predict them."""

    score: str
    rows: int
    served_loss: float
    recalibrated_loss: float


@dataclass(frozen=True)
class ShareShift:
    """The class shares of a project before and now, in the order of `classes`.

    `since_on` is the first day of the newest rows. `observed` are the shares among their `settled` rows, None where
    these are too few to say anything. `refusal` is the reason why recalibration is wrong or useless, None where it
    mends the loss.
    """

    project: str
    classes: tuple[str, ...]
    prior: PriorShift
    since_on: str
    settled: int
    observed: tuple[float, ...] | None
    loss: RecalibratedLoss | None
    refusal: str | None

    @property
    def shares(self) -> ClassShares:
        """The correction of the predictions."""
        return ClassShares(self.prior.before, self.prior.now)

    @property
    def message(self) -> str:
        """The estimate, and what the settled rows say about it."""
        changes = ", ".join(
            f"{name} {before:.1%} → {now:.1%}"
            for name, before, now in zip(self.classes, self.prior.before, self.prior.now, strict=True)
        )
        text = f"class shares since {self.since_on}, from {self.prior.rows} predictions: {changes}."
        if self.loss is None:
            return f"{text} No settled prediction since then checks the estimate yet."
        losses = f"{self.loss.served_loss:.4g} as served, {self.loss.recalibrated_loss:.4g} recalibrated"
        text = f"{text} {self.loss.score} of {self.loss.rows} settled predictions since then: {losses}."
        if self.refusal is None and self.loss.recalibrated_loss >= self.loss.served_loss:
            step = f"find the cause first (touchline monitor cause -p {self.project})"
            return f"{text} Recalibrating does not lower it: {step}."
        return text

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "message": self.message}


def find_share_shift(
    score: str, reference: LabelledSample, current: LiveRows, classes: Sequence[str], *, project: str, since_on: str
) -> ShareShift:
    """Compare the newest rows, settled or not, with labelled rows from before. Raises `InvalidSample`."""
    prior, effect = prior_shift_between(score, reference, OpenSample(current.predictions, current.days))
    settled = current.at(current.has_label)
    observed = None
    if len(settled) >= LEAST_ROWS:
        observed = tuple((np.bincount(settled.labels.astype(np.int64), minlength=len(classes)) / len(settled)).tolist())
    refusal = _refusal(prior, observed, len(settled), effect, current.predictions)
    if refusal is None and observed is None:
        refusal = _other_rows(prior, reference, current)
    return ShareShift(
        project=project,
        classes=tuple(classes),
        prior=prior,
        since_on=since_on,
        settled=len(settled),
        observed=observed,
        loss=_loss(score, settled, prior),
        refusal=refusal,
    )


def _loss(score: str, settled: LiveRows, prior: PriorShift) -> RecalibratedLoss | None:
    if not len(settled):
        return None
    shares = ClassShares(prior.before, prior.now)
    served = loss_rows(score, settled.labels, settled.predictions)
    recalibrated = loss_rows(score, settled.labels, shares.transform(settled.predictions))
    return RecalibratedLoss(score, len(settled), float(served.mean()), float(recalibrated.mean()))


def _refusal(
    prior: PriorShift, observed: tuple[float, ...] | None, settled: int, effect: float, predictions: Array
) -> str | None:
    has_shift = prior.p_value <= _ALPHA
    least = min(prior.now) * prior.rows
    if has_shift and least < _LEAST_OF_A_CLASS:
        rarest = f"{min(prior.now):.2%} of {prior.rows} predictions"
        return f"a class would have almost vanished ({rarest}), which new class shares alone hardly explain"
    if has_shift and prior.fit <= _ALPHA:
        return (
            f"new class shares alone do not explain the new probabilities (p = {prior.fit:.2g}): the inputs or their "
            "relation to the classes changed"
        )
    if observed is not None:
        contradiction = _contradiction(prior, np.array(observed), settled, effect, predictions)
        if contradiction <= _ALPHA:
            seen = ", ".join(f"{share:.1%}" for share in observed)
            estimated = ", ".join(f"{share:.1%}" for share in prior.now)
            return (
                f"{settled} settled predictions have the class shares {seen}, where the probabilities say {estimated} "
                f"(p = {contradiction:.2g}): the relation of inputs and classes changed (concept change)"
            )
    if not has_shift:
        return f"the class shares are not shown to have changed (p = {prior.p_value:.2g})"
    return None


def _other_rows(prior: PriorShift, reference: LabelledSample, current: LiveRows) -> str | None:
    """The reason where a classifier tells the newest rows from earlier ones of the same class shares."""
    shift = other_rows(prior, reference, OpenSample(current.predictions, current.days, current.vectors))
    if shift is None:
        return None
    return (
        f"the inputs changed too: a classifier tells the newest rows from earlier ones of the same class shares (AUC "
        f"{shift.auc:.2f}, p = {shift.p_value:.2g}), and fewer than {LEAST_ROWS} outcomes are there to decide"
    )


def _contradiction(prior: PriorShift, observed: Array, settled: int, effect: float, predictions: Array) -> float:
    """The p-value of observed shares as far from the estimated ones as these, over all classes (Bonferroni)."""
    from scipy.stats import norm

    now = np.array(prior.now)
    variance = effect * (now * (1 - now) / settled + _estimate_variance(prior, predictions))
    distance = np.abs(observed - now) / np.sqrt(np.maximum(variance, 1e-12))
    tests = len(now) if len(now) > 2 else 1
    return float(min(1.0, 2 * norm.sf(distance.max()) * tests))


def _estimate_variance(prior: PriorShift, predictions: Array) -> Array:
    """The variance of each estimated share: the inverse of the Fisher information of the shares."""
    ratios = predictions / np.array(prior.before)
    mixture = np.maximum(ratios @ np.array(prior.now), 1e-12)
    scores = (ratios[:, :-1] - ratios[:, -1:]) / mixture[:, None]
    covariance = np.linalg.pinv(scores.T @ scores)
    return np.append(np.diag(covariance), covariance.sum())
