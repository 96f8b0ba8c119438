"""The loss of rows without labels is estimated with an honest interval, under shifts of rows and of class shares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from touchline.monitoring import LabelledSample, LossEstimate, OpenSample, estimate_loss


def some_rows(seed: int, rows: int, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, labels, and probabilities of a model that misses a part of the truth."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    x[:, 0] += shift
    labels = (rng.random(rows) < expit(x[:, 0] + 0.5 * x[:, 1] ** 2 - 0.5)).astype(float)
    p = expit(1.3 * x[:, 0])
    return x, labels, np.column_stack([1 - p, p])


def estimated(seed: int, *, shift: float = 0.0, with_vectors: bool = True) -> tuple[LossEstimate, float]:
    """The estimate, and the loss that its rows have."""
    x, labels, p = some_rows(seed, 1500)
    new_x, new_labels, new_p = some_rows(seed + 1000, 600, shift=shift)
    reference = LabelledSample(p, labels, np.arange(1500), x if with_vectors else None)
    found = estimate_loss("log_loss", reference, OpenSample(new_p, np.arange(600), new_x if with_vectors else None))
    return found, float(-np.log(new_p[np.arange(600), new_labels.astype(int)]).mean())


def test_the_measured_loss_is_in_the_interval() -> None:
    results = [estimated(seed, with_vectors=False) for seed in range(20)]
    assert sum(found.low <= measured <= found.high for found, measured in results) >= 17


def test_under_covariate_shift_the_estimate_is_nearer_than_the_old_loss() -> None:
    found, measured = estimated(3, shift=1.2)
    assert found.is_weighted
    assert abs(found.value - measured) < abs(found.reference_loss - measured)
    assert found.low <= measured <= found.high


def test_it_is_called_an_estimate() -> None:
    found, _ = estimated(1, with_vectors=False)
    assert found.message.startswith("Estimated log_loss of 600 predictions without outcome: 0.")
    assert found.message.endswith("an estimate, valid only without concept change.")


def test_new_class_shares_correct_the_estimate() -> None:
    _, labels, p = some_rows(1, 3000)
    _, new_labels, new_p = some_rows(2, 3000)
    chosen = np.concatenate([np.flatnonzero(new_labels == 0), np.flatnonzero(new_labels == 1)[:200]])
    found = estimate_loss(
        "brier", LabelledSample(p, labels, np.arange(3000)), OpenSample(new_p[chosen], np.arange(len(chosen)))
    )
    measured = float(((new_p[chosen, 1] - new_labels[chosen]) ** 2).mean())
    assert found.prior.is_shift()
    assert "with the new class shares" in found.message
    assert found.value == pytest.approx(measured, abs=0.02)
