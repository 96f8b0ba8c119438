"""The predictive power of levels is measured out of sample and compared with chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from touchline.statistics import (
    agreement,
    cross_fitted_means,
    explained_share,
    is_beyond_chance,
    number_levels,
    separation,
)

CLASSES = np.random.default_rng(7).integers(0, 2, 600)


@pytest.fixture
def random() -> np.random.Generator:
    """Numbers that do not depend on the tests that ran before: workers take tests in any order."""
    return np.random.default_rng(8)


def test_the_mean_of_a_level_comes_from_the_other_half() -> None:
    alone = np.arange(600)  # every level has one row, so the other half says nothing of it
    assert np.ptp(cross_fitted_means(alone, CLASSES[:, None].astype(float))) < 0.1
    assert separation(alone, CLASSES[:, None].astype(float)) == pytest.approx(0.5, abs=0.08)


def test_separation_is_the_area_under_the_roc_curve_of_cross_fitted_means(random: np.random.Generator) -> None:
    levels = np.where(random.random(600) < 0.8, CLASSES, 1 - CLASSES)
    outcome = CLASSES[:, None].astype(float)
    assert separation(levels, outcome) == pytest.approx(
        roc_auc_score(CLASSES, cross_fitted_means(levels, outcome)[:, 0])
    )


def test_a_file_that_alternates_with_its_target_is_read_in_drawn_halves() -> None:
    turns = np.arange(200) % 2
    assert separation(turns, turns[:, None].astype(float)) == 1.0


def test_levels_that_give_a_number_explain_it_and_noise_explains_nothing(random: np.random.Generator) -> None:
    levels = random.integers(0, 5, 600)
    assert explained_share(levels, levels[:, None] * 2.0) > 0.999
    assert explained_share(levels, random.normal(size=(600, 1))) < 0.02


def test_luck_is_told_from_more(random: np.random.Generator) -> None:
    outcome = CLASSES[:, None].astype(float)
    noise = [random.integers(0, 300, 600) for _ in range(20)]
    lucky = sum(is_beyond_chance(separation, levels, outcome, separation(levels, outcome)) for levels in noise)
    assert lucky <= 2  # one in 40 is expected of chance
    assert is_beyond_chance(separation, CLASSES, outcome, separation(CLASSES, outcome))


def test_many_numbers_are_binned_and_nulls_are_a_level_of_their_own(random: np.random.Generator) -> None:
    values = random.normal(size=1000)
    values[:30] = np.nan
    levels = number_levels(values)
    counts = np.bincount(levels[30:])
    assert (len(counts), counts.max() - counts.min() <= 2) == (50, True)
    assert set(levels[:30]) & set(levels[30:]) == set()


def test_agreement_sees_a_copy_on_any_scale_and_needs_rows(random: np.random.Generator) -> None:
    values = random.normal(size=100)
    assert agreement(values, np.exp(3 * values)) == pytest.approx(1.0)
    few = np.where(np.arange(100) < 10, values, np.nan)
    assert agreement(few, values) == 0.0
