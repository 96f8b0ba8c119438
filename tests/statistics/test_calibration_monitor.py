"""A guardrail of calibration in the large: a miss of the mean beyond the margin is found, chance is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import CalibrationGuardrail, CalibrationMonitor


def monitored(seed: int, shift: float, *, exaggeration: float = 1.0, outcomes: int = 2000) -> CalibrationMonitor:
    """A model whose probabilities are lower than the truth by the shift; margin 0.05."""
    rng = np.random.default_rng([53, seed])
    truth = rng.normal(size=outcomes)
    observed = rng.random(outcomes) < expit(truth)
    predicted = (expit(exaggeration * truth) - shift).clip(0.001, 0.999)
    return CalibrationMonitor.start(CalibrationGuardrail(0.05, alpha=0.05)).update(predicted, observed)


@pytest.mark.parametrize("shift", [0.15, -0.15])
def test_a_miss_beyond_the_margin_is_harmful_on_both_sides(shift: float) -> None:
    assert [monitored(seed, shift).verdict for seed in range(10)] == ["harmful"] * 10


def test_a_miss_of_the_margin_itself_is_rarely_harmful() -> None:
    for shift in (0.05, -0.05):
        hits = sum(monitored(seed, shift).verdict == "harmful" for seed in range(100))
        assert binomtest(hits, 100, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("exaggeration", [1.0, 2.0])
def test_a_model_whose_misses_cancel_is_harmless(exaggeration: float) -> None:
    assert [monitored(seed, 0.0, exaggeration=exaggeration).verdict for seed in range(10)] == ["harmless"] * 10


def test_few_outcomes_are_undecided() -> None:
    assert monitored(1, 0.0, outcomes=40).verdict == "undecided"


def test_harm_stays() -> None:
    monitor = monitored(1, 0.2)
    assert monitor.update(np.full(5000, 0.5), np.arange(5000) % 2).verdict == "harmful"


def test_batches_and_a_stored_state_change_nothing() -> None:
    predicted, observed = np.full(300, 0.3), np.arange(300) % 2
    whole = CalibrationMonitor.start(CalibrationGuardrail(0.05)).update(predicted, observed)
    monitor = CalibrationMonitor.start(CalibrationGuardrail(0.05))
    for first, end in ((0, 0), (0, 1), (1, 120), (120, 300)):
        monitor = monitor.update(predicted[first:end], observed[first:end])
        monitor = CalibrationMonitor.from_json(json.loads(json.dumps(monitor.to_json())))
    assert monitor.verdict == whole.verdict == "harmful"
    assert monitor.too_low.peak == pytest.approx(whole.too_low.peak)
    assert monitor.residuals.mean == pytest.approx(0.2)


def test_other_outcomes_and_predictions_are_refused() -> None:
    monitor = CalibrationMonitor.start(CalibrationGuardrail(0.05))
    with pytest.raises(InvalidSample, match="other outcomes"):
        monitor.update([0.5], [2])
    with pytest.raises(InvalidSample, match="outside 0 to 1"):
        monitor.update([1.5], [1])
    with pytest.raises(InvalidSample, match="margin 0"):
        CalibrationGuardrail(0.0)
