"""A slice whose loss rose by itself is named with its onset; a shock of all slices names none."""

from __future__ import annotations

import numpy as np

from touchline.monitoring import LiveRows, slice_rises

SHOPS = tuple(f"s{at}" for at in range(9))
A_DAY = 4


def settled(days: int) -> LiveRows:
    """Four rows of each shop on each day; the field `few` has three values."""
    rows = days * len(SHOPS) * A_DAY
    number = np.repeat(np.arange(days), len(SHOPS) * A_DAY)
    shops = tuple(np.tile(np.repeat(SHOPS, A_DAY), days).tolist())
    names, zeros = tuple(map(str, range(rows))), np.zeros(rows)
    fields = {"shop": shops, "few": tuple(shop if shop < "s3" else None for shop in shops)}
    return LiveRows(np.zeros((rows, 2)), np.zeros((rows, 1)), zeros, zeros, zeros, number, names, names, fields)


def losses_of(rows: LiveRows) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(1).exponential(size=len(rows))


def test_a_shop_that_loses_more_is_named_with_its_onset() -> None:
    rows = settled(80)
    losses = losses_of(rows)
    losses[(np.array(rows.fields["shop"]) == "s4") & (rows.days >= 60)] += 1.5
    (sentence,) = slice_rises(rows, losses, checks_a_year=365)
    assert sentence == "The loss of shop = s4 since about 1970-03-02 rose by itself, the other values of shop did not."


def test_a_shock_of_all_shops_blames_none() -> None:
    rows = settled(80)
    losses = losses_of(rows) + 1.5 * (rows.days >= 60)
    (sentence,) = slice_rises(rows, losses, checks_a_year=365)
    assert sentence.startswith("The loss of most of the 9 values of shop rose at once since about 1970-03-02")


def test_a_rise_of_long_ago_and_too_few_days_say_nothing() -> None:
    rows = settled(120)
    losses = losses_of(rows)
    losses[(np.array(rows.fields["shop"]) == "s4") & (rows.days >= 60)] += 1.5
    assert slice_rises(rows, losses, checks_a_year=365) == ()
    assert slice_rises(settled(30), losses_of(settled(30)), checks_a_year=365) == ()
