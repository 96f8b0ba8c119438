"""Looks spend alpha, fresh rows refill it, and no schedule starves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline.errors import InvalidSample
from touchline.statistics import AlphaBudget


def spent(shares: list[float]) -> list[float]:
    budget, parts = AlphaBudget(), []
    for share in shares:
        part, budget = budget.look(share)
        parts.append(part)
    return parts


def test_looks_at_the_same_rows_spend_no_more_than_alpha_together() -> None:
    parts = spent([1.0, *[0.0] * 60])
    assert parts[:3] == [0.5, 0.25, 0.125]
    assert sum(parts) <= 1.0


def test_a_weekly_look_at_a_moving_window_spends_its_share_of_fresh_rows_for_ever() -> None:
    parts = spent([1.0, *[0.1] * 500])
    assert parts[52] == pytest.approx(0.1, rel=1e-9)
    assert parts[-1] == pytest.approx(0.1, rel=1e-9)


def test_rows_that_are_all_fresh_again_bring_a_first_look() -> None:
    assert spent([1.0, 0.0, 0.0, 1.0])[-1] == 0.5


@given(st.lists(st.floats(0, 1), max_size=60))
def test_what_is_spent_is_never_more_than_what_fresh_rows_brought(shares: list[float]) -> None:
    assert sum(spent(shares)) <= sum(shares) + 1e-9


def test_a_share_is_between_none_and_all() -> None:
    with pytest.raises(InvalidSample, match=r"fresh rows of 1\.2\. Allowed: 0 to 1"):
        AlphaBudget().look(1.2)
