"""A unit's variant: sticky without a store, in the declared share, never taken back by a larger share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, kstest

from touchline.rollout import Routing, assign, place
from touchline.rollout.routing import RoutingMode

SPLIT = Routing("r1", "ab", "salt", "old", "new", share=10)


@given(st.text(min_size=1), st.integers(1, 99), st.integers(1, 99))
def test_a_larger_share_only_adds_units(unit: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    first, later = (assign(replace(SPLIT, share=share), unit) for share in (low, high))
    assert first.variant == "production" or later.variant == "candidate"
    assert assign(replace(SPLIT, share=100), unit).variant == "candidate"
    assert later.probability == (high if later.variant == "candidate" else 100 - high) / 100


def test_the_places_of_units_are_uniform_and_independent_between_experiments() -> None:
    units = [f"user-{number}" for number in range(20_000)]
    first, second = ([place(salt, unit) for unit in units] for salt in ("shop-1-abc", "shop-2-abc"))
    assert kstest(first, "uniform").pvalue > 1e-4
    both, _, _ = np.histogram2d(first, second, bins=5)
    assert chi2_contingency(both).pvalue > 1e-4


def test_a_tester_gets_a_variant_that_counts_for_nothing_and_a_null_gets_production() -> None:
    split = replace(SPLIT, overrides={"anna": "candidate", "ben": "production"})
    anna, nobody = assign(split, "anna"), assign(split, None)
    assert (anna.variant, anna.probability, anna.is_override) == ("candidate", 1.0, True)
    assert (nobody.variant, nobody.unit, nobody.probability) == ("production", None, 1.0)


@pytest.mark.parametrize(
    ("mode", "is_split", "has_shadow"), [("shadow", False, True), ("ab", True, True), ("canary", True, False)]
)
def test_a_mode_says_who_answers_and_who_predicts_too(mode: RoutingMode, is_split: bool, has_shadow: bool) -> None:
    routing = replace(SPLIT, mode=mode)
    assert (routing.is_split, routing.has_shadow) == (is_split, has_shadow)
