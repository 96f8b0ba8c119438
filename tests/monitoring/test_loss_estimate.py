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


def blocks_of(seed: int, slopes: np.ndarray, *, moves: float = 0.0, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of blocks of rows; the model is right where `slopes` is 1, `moves` moves the inputs."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=len(slopes) * rows) + np.repeat(moves * rng.normal(size=len(slopes)), rows)
    labels = (rng.random(len(x)) < expit(2 * x * np.repeat(slopes, rows))).astype(float)
    p = expit(2 * x)
    return labels, np.column_stack([1 - p, p])


def estimated_last(labels: np.ndarray, p: np.ndarray, *, rows: int = 200) -> tuple[LossEstimate, float]:
    """The estimate for the last block, from the blocks up to the last but one, and its measured loss."""
    known, new = slice(0, -2 * rows), slice(-rows, None)
    reference = LabelledSample(p[known], labels[known], np.arange(len(labels) - 2 * rows))
    found = estimate_loss("log_loss", reference, OpenSample(p[new], np.arange(rows)))
    return found, float(-np.log(p[new][np.arange(rows), labels[new].astype(int)]).mean())


def test_past_errors_widen_the_interval_of_a_relation_that_wanders() -> None:
    wandering = [0.5 + 0.5 * np.sin(2 * np.arange(14) + seed) for seed in range(8)]
    results = [estimated_last(*blocks_of(seed, slopes)) for seed, slopes in enumerate(wandering)]
    steady = [estimated_last(*blocks_of(seed, np.full(14, 0.5)))[0] for seed in range(8)]
    assert sum(found.low <= measured <= found.high for found, measured in results) >= 7
    assert np.mean([found.high - found.low for found, _ in results]) > 1.5 * np.mean([e.high - e.low for e in steady])


def test_the_newest_rows_count_most_where_the_relation_changed() -> None:
    results = [estimated_last(*blocks_of(seed, np.repeat([1.0, 0.2], [12, 10]))) for seed in range(6)]
    of_all = [np.repeat([1.0, 0.2], [12, 8]).mean() for _ in results]
    by_all = [estimated_last(*blocks_of(seed, np.full(22, slope)))[0].value for seed, slope in enumerate(of_all)]
    measured = np.array([measured for _, measured in results])
    errors = np.abs(np.array([found.value for found, _ in results]) - measured)
    assert errors.mean() < 0.5 * np.abs(np.array(by_all) - measured).mean()


def test_inputs_that_move_are_not_taken_for_new_class_shares() -> None:
    results = [estimated_last(*blocks_of(seed, np.ones(14), moves=1.0)) for seed in range(8)]
    assert any(found.prior.is_shift() for found, _ in results)
    assert not any(found.is_reshared for found, _ in results)
    assert sum(found.low <= measured <= found.high for found, measured in results) >= 7
