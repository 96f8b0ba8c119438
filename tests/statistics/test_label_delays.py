"""The age of maturity is that of all labels, not only of those that came early."""

from __future__ import annotations

import numpy as np
import pytest

from touchline.statistics import delay_distribution, maturity_age


def test_without_truncation_it_is_the_quantile_of_the_delays() -> None:
    delays = np.random.default_rng(1).exponential(3, 4000)
    assert maturity_age(delays, np.full(4000, 1e9)) == pytest.approx(np.quantile(delays, 0.95), rel=1e-3)


def test_young_predictions_do_not_make_labels_look_fast() -> None:
    rng = np.random.default_rng(2)
    ages, delays = rng.uniform(0, 30, 20_000), rng.exponential(5, 20_000)
    is_seen = delays <= ages
    naive = np.quantile(delays[is_seen], 0.95)
    corrected = maturity_age(delays[is_seen], ages[is_seen])
    truth = 5 * np.log(20)
    assert abs(corrected - truth) < 1.0 < abs(naive - truth)


def test_the_shares_are_those_of_hand_arithmetic() -> None:
    """Delay 4 is 1 of 2 labels that could have shown it; delay 2 is 1 of 2 among the shorter ones."""
    times, shares = delay_distribution([1.0, 2.0, 4.0], [3.0, 9.0, 9.0])
    assert times.tolist() == [1, 2, 4]
    assert shares == pytest.approx([1 / 2 * 1 / 2, 1 / 2, 1.0])
