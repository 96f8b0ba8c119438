"""Which sets stay: the newest of each day, week and month, and always the newest of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from touchline.backup import Retention
from touchline.backup.retention import expired_sets

START = datetime(2024, 1, 1, tzinfo=UTC)
ages = st.lists(st.integers(0, 60 * 24), min_size=1, max_size=60, unique=True)


@given(ages, st.integers(0, 8), st.integers(0, 6), st.integers(0, 4))
def test_what_a_rule_names_stays_and_the_rest_goes(hours: list[int], daily: int, weekly: int, monthly: int) -> None:
    sets = [(str(hour), START + timedelta(hours=hour)) for hour in hours]
    expired = set(expired_sets(sets, Retention(daily, weekly, monthly)))
    retained = [at for name, at in sets if name not in expired]
    assert max(at for _, at in sets) in retained
    days = sorted({at.date() for _, at in sets}, reverse=True)[:daily]
    for day in days:
        assert max(at for _, at in sets if at.date() == day) in retained
    assert len(retained) <= max(1, daily + weekly + monthly)
    # A second look at what stayed deletes nothing more.
    assert expired_sets([(str(at), at) for at in retained], Retention(daily, weekly, monthly)) == []
