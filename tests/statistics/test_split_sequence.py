"""Two models that answer different units: the estimate, the verdict, the gain of adjustment."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import entr, expit
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import SplitSequence, SplitUnits, WitnessRule, split_error, split_units

LARGEST = float(np.log(0.995 / 0.005)) + 0.01


def true_gain(new: float, old: float) -> float:
    """The mean gain of such models, over the outcomes that each truth makes likely."""
    rng = np.random.default_rng(22)
    truth, noise = rng.normal(0, 1.5, 400_000), rng.normal(size=400_000)
    losses = []
    for size in (new, old):
        predicted = expit(truth + size * noise).clip(0.005, 0.995)
        losses.append(-(expit(truth) * np.log(predicted) + expit(-truth) * np.log(1 - predicted)).mean())
    return float(losses[1] - losses[0])


def split(
    seed: int, new: float, old: float, *, units: int = 4000, share: float = 0.5, adjust: bool = True
) -> SplitUnits:
    """Units with two models that err on the logits by normal noise of these sizes, one of which answers."""
    rng = np.random.default_rng([21, seed])
    truth, noise = rng.normal(0, 1.5, units), rng.normal(size=(2, units))
    outcomes, is_new = rng.random(units) < expit(truth), rng.random(units) < share
    predicted = expit(truth + np.array([[new], [old]]) * noise).clip(0.005, 0.995)
    losses = -np.log(np.where(outcomes, predicted, 1 - predicted))
    expected = entr(predicted) + entr(1 - predicted) if adjust else np.zeros((2, units))
    return split_units(is_new, np.where(is_new, *losses), share, largest_loss=LARGEST, expected=tuple(expected))


def test_the_estimate_is_the_gain_on_average_for_any_share_and_covariate() -> None:
    for share in (0.1, 0.5):
        for adjust in (True, False):
            estimate, error = split_error(split(1, 0.3, 1.5, units=60_000, share=share, adjust=adjust))
            assert estimate == pytest.approx(true_gain(0.3, 1.5), abs=4 * error)
            assert error < 0.04


def test_a_wrong_covariate_moves_no_estimate() -> None:
    units = split(2, 0.3, 1.5, units=60_000, adjust=False)
    wrong = split_units(
        units.is_new, units.losses, units.shares, largest_loss=LARGEST, expected=(np.full(60_000, 0.4), 0.1)
    )
    assert split_error(wrong)[0] == pytest.approx(split_error(units)[0], abs=4 * split_error(units)[1])


def test_the_models_own_predictions_make_the_estimate_more_precise() -> None:
    assert split_error(split(3, 0.3, 0.8))[1] < 0.7 * split_error(split(3, 0.3, 0.8, adjust=False))[1]


def test_a_much_better_model_is_found() -> None:
    verdicts = [
        SplitSequence.start(WitnessRule(target=1000)).update(split(seed, 0.2, 1.2, units=6000)).witnesses.verdict
        for seed in range(15)
    ]
    assert verdicts.count("better") >= 12


def test_equal_models_are_rarely_found_different() -> None:
    rule = WitnessRule(alpha=0.1, target=1000)
    verdicts = [
        SplitSequence.start(rule).update(split(s, 0.8, 0.8, units=1500, share=0.2)).witnesses.verdict
        for s in range(100)
    ]
    for wrong in ("better", "worse"):
        assert binomtest(verdicts.count(wrong), 100, 0.1, alternative="greater").pvalue > 0.001


def test_batches_and_a_stored_state_change_nothing() -> None:
    units = split(4, 0.2, 1.2, units=1500)
    whole, state = (SplitSequence.start(WitnessRule(margin=0.05, target=1000)) for _ in range(2))
    whole = whole.update(units)
    state = state.update(units.rows(0, 1))
    for first, end in ((1, 1), (1, 700), (700, 1500)):
        state = SplitSequence.from_json(json.loads(json.dumps(state.update(units.rows(first, end)).to_json())))
    assert state.witnesses.verdict == whole.witnesses.verdict
    assert state.witnesses.decided_at == whole.witnesses.decided_at
    assert state.square_sum == pytest.approx(whole.square_sum)


def test_a_bet_is_known_before_its_outcome() -> None:
    units = split(5, 0.2, 1.2, units=60)
    changed = replace(units, losses=np.r_[units.losses[:-1], LARGEST], is_new=np.r_[units.is_new[:-1], 1.0])
    bets = [SplitSequence.start(WitnessRule(target=1000)).update(each).witnesses.bets for each in (units, changed)]
    for claim in ("better", "worse"):
        assert bets[0][claim].bet_sums == bets[1][claim].bet_sums
        assert bets[0][claim].log_capitals != bets[1][claim].log_capitals


@pytest.mark.parametrize(
    ("is_new", "losses", "share", "message"),
    [
        ([1, 2], [0.1, 0.2], 0.5, "arms other than 0 and 1"),
        ([1, 0], [0.1, 0.2], 1.0, "a share of 0 or 1"),
        ([1, 0], [0.1, 9.0], 0.5, "losses outside 0 to 5.3"),
        ([1, 0], [0.1, float("nan")], 0.5, "NaN or infinite"),
    ],
)
def test_units_that_say_nothing_are_refused(is_new: list[int], losses: list[float], share: float, message: str) -> None:
    with pytest.raises(InvalidSample, match=message):
        split_units(is_new, losses, share, largest_loss=5.3)


def test_the_mean_of_a_cluster_is_one_unit() -> None:
    units, users = split(7, 0.3, 2.0), np.arange(4000) // 5
    state = SplitSequence.start(WitnessRule(target=300)).update(units, users)
    single = SplitSequence.start(WitnessRule(target=1000)).update(units)
    assert (state.witnesses.count, single.witnesses.count) == (800, 4000)
    assert state.witnesses.gain == pytest.approx(single.witnesses.gain)
    assert state.witnesses.verdict == "better"


def test_clusters_in_batches_change_nothing() -> None:
    units, users = split(8, 0.3, 2.0), np.arange(4000) // 5
    state = SplitSequence.start(WitnessRule(target=300))
    for first, end in ((0, 1000), (1000, 4000)):
        state = state.update(units.rows(first, end), users[first:end])
    whole = SplitSequence.start(WitnessRule(target=300)).update(units, users)
    assert state.witnesses.verdict == whole.witnesses.verdict == "better"
    assert state.witnesses.mean.squares == pytest.approx(whole.witnesses.mean.squares)


def test_users_with_a_common_gain_are_promoted_too_often_outcome_by_outcome_only() -> None:
    promoted, by_outcome, runs = 0, 0, 60
    for seed in range(runs):
        rng = np.random.default_rng([23, seed])
        # Ten outcomes of each of 150 users: a user's loss is the same each time, and no model is better.
        losses, is_new, users = (
            np.repeat(rng.random(150), 10),
            np.repeat(rng.random(150) < 0.5, 10),
            np.arange(1500) // 10,
        )
        units = split_units(is_new, losses, 0.5, largest_loss=1.0)
        promoted += SplitSequence.start(WitnessRule(target=1000)).update(units, users).witnesses.verdict == "better"
        by_outcome += SplitSequence.start(WitnessRule(target=1000)).update(units).witnesses.verdict == "better"
    assert binomtest(promoted, runs, 0.05, alternative="greater").pvalue > 0.001
    assert by_outcome > 10
