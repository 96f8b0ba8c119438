"""New class shares are told apart from a change of the inputs and from concept change, and mend the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from touchline.monitoring import LabelledSample, LiveRows, ShareShift, find_share_shift
from touchline.training import ClassShares, loss_rows

CLASSES = ("home", "draw", "away")
BEFORE, NOW = np.array([0.4, 0.3, 0.3]), np.array([0.15, 0.25, 0.6])


def some_rows(seed: int, rows: int, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact probabilities under the shares before, and labels drawn with the given shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=rows, p=shares)
    signal = rng.normal(size=(rows, 3)) + 1.2 * np.eye(3)[labels]
    return softmax(np.log(BEFORE) + 1.2 * signal, axis=1), labels


def live(probabilities: np.ndarray, labels: np.ndarray, *, settled: int) -> LiveRows:
    known = np.where(np.arange(len(labels)) < settled, labels.astype(float), np.nan)
    days = np.arange(len(labels)) // 20
    names = tuple(str(at) for at in range(len(labels)))
    zeros = np.zeros(len(labels))
    return LiveRows(probabilities, zeros[:, None], known, zeros, zeros, days, names, names, {})


def found(rows: LiveRows, seed: int = 0) -> ShareShift:
    probabilities, labels = some_rows(seed, 2000, BEFORE)
    reference = LabelledSample(probabilities, labels.astype(float), np.arange(2000))
    return find_share_shift("log_loss", reference, rows, CLASSES, project="shop", since_on="2026-01-01")


def test_new_shares_are_estimated_without_outcomes_and_recover_the_loss() -> None:
    probabilities, labels = some_rows(1, 1000, NOW)
    shift = found(live(probabilities, labels, settled=0))
    assert (shift.refusal, shift.loss, shift.observed) == (None, None, None)
    assert shift.prior.now == pytest.approx(NOW, abs=0.05)

    def loss(predictions: np.ndarray) -> float:
        return float(loss_rows("log_loss", labels.astype(float), predictions).mean())

    best = loss(ClassShares(tuple(BEFORE), tuple(NOW)).transform(probabilities))
    recovered = (loss(probabilities) - loss(shift.shares.transform(probabilities))) / (loss(probabilities) - best)
    assert recovered > 0.9


def test_outcomes_that_fit_confirm_it_and_the_message_has_both_losses() -> None:
    shift = found(live(*some_rows(1, 1000, NOW), settled=300))
    assert shift.refusal is None
    assert shift.loss is not None
    assert shift.loss.recalibrated_loss < shift.loss.served_loss
    assert shift.message.startswith("class shares since 2026-01-01, from 1000 predictions: home ")
    assert "log_loss of 300 settled predictions since then" in shift.message


def test_the_message_warns_where_recalibration_does_not_lower_the_loss_of_settled_rows() -> None:
    shift = found(live(*some_rows(1, 1500, NOW), settled=400))
    assert shift.loss is not None
    assert "does not lower" not in shift.message
    higher = replace(shift, loss=replace(shift.loss, recalibrated_loss=shift.loss.served_loss + 0.1))
    assert "does not lower it: find the cause first" in higher.message
    assert "does not lower" not in replace(higher, refusal="the inputs changed").message


def test_the_same_labels_turned_round_are_concept_change() -> None:
    probabilities, labels = some_rows(1, 1000, NOW)
    shift = found(live(probabilities, 2 - labels, settled=300))
    assert "concept change" in str(shift.refusal)
    # Also where the probabilities are as before, so that nothing but the outcomes tells of it.
    probabilities, labels = some_rows(1, 1000, BEFORE)
    shift = found(live(probabilities, np.minimum(labels + 1, 2), settled=300))
    assert "concept change" in str(shift.refusal)


def test_other_rows_of_a_class_are_no_prior_shift_and_no_change_is_nothing_to_mend() -> None:
    probabilities, labels = some_rows(1, 1000, NOW)
    sharper = softmax(2.5 * np.log(probabilities), axis=1)
    assert "alone do not explain" in str(found(live(sharper, labels, settled=0)).refusal)
    assert "not shown to have changed" in str(found(live(*some_rows(1, 1000, BEFORE), settled=300)).refusal)


def test_without_outcomes_inputs_that_moved_are_no_new_shares_and_outcomes_decide_where_they_are_there() -> None:
    probabilities, labels = some_rows(0, 2000, BEFORE)
    rng = np.random.default_rng(5)
    vectors = np.log(probabilities[:, :1]) + rng.normal(size=(2000, 1))
    reference = LabelledSample(probabilities, labels.astype(float), np.arange(2000), vectors)
    new, new_labels = some_rows(1, 1000, NOW)
    moved = np.log(new[:, :1]) + rng.normal(size=(1000, 1)) - 1.5
    for settled, reason in ((0, "the inputs changed too"), (300, "None")):
        rows = replace(live(new, new_labels, settled=settled), vectors=moved, days=np.arange(1000))
        shift = find_share_shift("log_loss", reference, rows, CLASSES, project="shop", since_on="2026-01-01")
        assert reason in str(shift.refusal)


def test_a_class_that_almost_vanished_is_not_recalibrated_away() -> None:
    probabilities, labels = some_rows(1, 3000, np.array([0.0, 0.4, 0.6]))
    assert "almost vanished" in str(found(live(probabilities, labels, settled=0)).refusal)


def test_two_corrections_in_a_row_are_the_one_that_ends_with_the_later_shares() -> None:
    first = ClassShares((0.4, 0.3, 0.3), (0.2, 0.3, 0.5))
    second = ClassShares((0.2, 0.3, 0.5), (0.1, 0.1, 0.8))
    probabilities, _ = some_rows(2, 50, BEFORE)
    together = first.followed_by(second)
    assert np.allclose(together.transform(probabilities), second.transform(first.transform(probabilities)))
    assert together.now == pytest.approx((0.1, 0.1, 0.8))
    assert ClassShares.from_json(together.to_json()) == together
    assert replace(together, now=together.before).transform(probabilities) == pytest.approx(probabilities)
