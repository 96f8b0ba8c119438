"""Four verdicts, each only where both kinds of evidence agree."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from touchline.errors import InvalidSample
from touchline.statistics import (
    MIN_EFFECTIVE_SIZE,
    AsymptoticSequence,
    BettingProcess,
    EffectiveSize,
    Gains,
    TwoWitnesses,
    WitnessRule,
    paired_gains,
)


def erring(seed: int, new: float, old: float, *, matches: int = 3000, common: bool = False) -> Gains:
    """Gains of models whose logits err by normal noise of these sizes."""
    rng = np.random.default_rng([11, seed])
    truth, noise = rng.normal(size=matches), rng.normal(size=(2, matches))
    other = noise[0] if common else noise[1]
    return paired_gains(expit(truth + new * noise[0]), expit(truth + old * other), rng.random(matches) < expit(truth))


def nearly_sure(seed: int, rate: float, *, matches: int = 3000) -> Gains:
    """Gains of 0.007 at almost every event and a loss at the rest that makes the mean 0."""
    shrink = np.exp(-0.007 * (1 - rate) / rate)
    old = (np.exp(0.007) - 1) / (np.exp(0.007) - shrink)
    outcomes = np.random.default_rng([12, seed]).random(matches) < rate
    return paired_gains(np.full(matches, old * shrink), np.full(matches, old), outcomes, clip=1e-4)


def decide(gains: Gains, **rule: float) -> TwoWitnesses:
    return TwoWitnesses.start(WitnessRule(**rule)).update(gains)  # type: ignore[arg-type]  # a float as target


def test_a_much_better_model_is_found_and_its_mirror_is_worse() -> None:
    verdicts = [(decide(erring(seed, 0.5, 0.8)), decide(erring(seed, 0.8, 0.5))) for seed in range(20)]
    assert sum(better.verdict == "better" for better, _ in verdicts) >= 18
    assert sum(worse.verdict == "worse" for _, worse in verdicts) >= 18


def test_a_gain_with_common_errors_is_found_early() -> None:
    decided = [decide(erring(seed, 0.4, 0.52, common=True)).decided_at or 3000 for seed in range(20)]
    assert np.median(decided) < 400


@pytest.mark.parametrize("rate", [0.05, 0.002])
def test_rare_disasters_fool_the_asymptotic_sequence_alone_and_not_both(rate: float) -> None:
    runs = [nearly_sure(seed, rate, matches=2000) for seed in range(60)]
    states = [decide(gains) for gains in runs]
    alone = sum(
        bool((AsymptoticSequence(state.mean.rho).evidence(gains.values, (0.0,))[1] >= log(20)).any())
        for state, gains in zip(states, runs, strict=True)
    )
    promoted = sum(state.verdict == "better" for state in states)
    assert alone > 8
    assert binomtest(promoted, 60, 0.05, alternative="greater").pvalue > 0.001


def test_equal_models_are_rarely_found_different() -> None:
    verdicts = [decide(erring(seed, 0.5, 0.5, matches=1500)).verdict for seed in range(100)]
    for wrong in ("better", "worse"):
        assert binomtest(verdicts.count(wrong), 100, 0.05, alternative="greater").pvalue > 0.001


def test_models_closer_than_the_margin_are_equivalent() -> None:
    state = decide(erring(1, 0.1, 0.1), margin=0.01)
    assert state.verdict == "equivalent"
    assert state.is_shown("not_worse")
    assert not state.is_shown("better")


def test_identical_predictions_are_equivalent_and_nothing_else() -> None:
    gains = erring(1, 0.4, 0.4, common=True)
    assert decide(gains).verdict == "undecided"
    state = decide(gains, margin=0.01)
    assert (state.verdict, state.decided_at) == ("equivalent", 30)


def test_a_model_worse_by_more_than_the_margin_is_not_shown_harmless() -> None:
    states = [decide(erring(seed, 0.52, 0.4, common=True), margin=0.011) for seed in range(20)]
    assert sum(state.is_shown("not_worse") for state in states) <= 3


def test_batches_and_a_stored_state_change_nothing() -> None:
    gains = erring(3, 0.4, 0.52, common=True)
    whole, state = decide(gains, margin=0.02), TwoWitnesses.start(WitnessRule(margin=0.02))
    for first, end in ((0, 1), (1, 1), (1, 77), (77, 1500), (1500, 3000)):
        state = state.update(gains.rows(first, end))
        state = TwoWitnesses.from_json(json.loads(json.dumps(state.to_json())))
    assert (state.verdict, state.decided_at, state.count) == (whole.verdict, whole.decided_at, 3000)
    assert state.gain == pytest.approx(gains.values.mean())


def test_the_first_verdict_stays() -> None:
    state = decide(erring(1, 0.4, 0.52, common=True))
    assert state.verdict == "better"
    later = state.update(erring(2, 0.8, 0.4))
    assert (later.verdict, later.decided_at) == ("better", state.decided_at)
    assert later.is_shown("worse")


def test_a_model_that_predicts_0_and_is_wrong_is_worse() -> None:
    outcomes = np.arange(200) % 2
    assert decide(paired_gains(np.zeros(200), np.full(200, 0.5), outcomes)).verdict == "worse"


def test_a_rule_that_decides_nothing_is_refused() -> None:
    with pytest.raises(InvalidSample, match="margin 0"):
        WitnessRule(margin=0.0)
    with pytest.raises(InvalidSample, match="alpha 1"):
        WitnessRule(alpha=1.0)


def test_a_verdict_comes_at_the_first_look_where_both_witnesses_agree() -> None:
    for seed in range(5):
        gains = erring(seed, 0.4, 0.52, common=True)
        decided_at = decide(gains).decided_at
        assert decided_at is not None
        before, at = decide(gains.rows(0, decided_at - 1)), decide(gains.rows(0, decided_at))
        assert not before.is_shown("better")
        assert at.is_shown("better")
        assert at.bets["better"].p_value <= 0.05
        assert at.mean.bounds(0.05)[0] > 0
        assert at.size.smaller >= MIN_EFFECTIVE_SIZE


def test_each_witness_alone_is_not_enough() -> None:
    silent = replace(decide(erring(1, 0.4, 0.52, common=True)), verdict="undecided", decided_at=None)
    assert silent.is_shown("better")
    assert not replace(silent, bets={**silent.bets, "better": BettingProcess()}).is_shown("better")
    assert not replace(silent, mean=AsymptoticSequence(silent.mean.rho)).is_shown("better")
    assert not replace(silent, size=EffectiveSize(1.0, 1.0, 1.0, 1.0)).is_shown("better")


def test_a_model_that_is_much_worse_in_rare_places_is_rarely_promoted() -> None:
    runs, promoted, without_size = 80, 0, 0
    for seed in range(runs):
        rng = np.random.default_rng([13, seed])
        truth, noise = rng.normal(size=(2, 1200))
        # In 2 % of the places the new model errs so much that the mean gain is 0.
        sizes = np.where(rng.random(1200) < 0.02, 2.874, 0.4)
        outcomes = rng.random(1200) < expit(truth)
        gains = paired_gains(expit(truth + sizes * noise), expit(truth + 0.52 * noise), outcomes)
        state = decide(gains)
        promoted += state.verdict == "better"
        _, evidence = AsymptoticSequence(state.mean.rho).evidence(gains.values, (0.0,))
        without_size += bool((evidence[0] >= log(20)).any())
    assert without_size > 16
    assert binomtest(promoted, runs, 0.05, alternative="greater").pvalue > 0.001
