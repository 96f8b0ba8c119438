"""Ids sort by their time, whichever function makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from touchline.storage.ulids import Ulids, first_ulid_letters, ulid_at, ulid_instant

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  Hypothesis wants naive bounds
MILLISECOND = timedelta(milliseconds=1)


@given(INSTANTS, INSTANTS)
def test_ids_sort_by_the_millisecond_they_name(one: datetime, other: datetime) -> None:
    first, second = sorted([one, other])
    assert first - MILLISECOND < ulid_instant(ulid_at(first)) <= first
    assert first_ulid_letters(first) <= ulid_at(first)
    if second - first >= MILLISECOND:
        assert ulid_at(first) < first_ulid_letters(second)


def test_a_thousand_ids_of_one_millisecond_differ() -> None:
    ulids = Ulids()
    assert len({ulids.next() for _ in range(3000)}) == 3000
    assert len({ulid_at(datetime(2009, 4, 15, tzinfo=UTC)) for _ in range(3000)}) == 3000
