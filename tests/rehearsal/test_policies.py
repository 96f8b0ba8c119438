from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.rehearsal.stream import write_project
from touchline.errors import RehearsalRefused
from touchline.project.spec import Retrain
from touchline.rehearsal.policies import COOL_DOWN, Monitored, due_reasons, find_policies

NOW = datetime(2024, 5, 6, 4, tzinfo=UTC)


def test_an_unknown_policy_names_its_neighbour(tmp_path: Path) -> None:
    with pytest.raises(RehearsalRefused, match="Did you mean 'weekly'"):
        find_policies(["weakly"], write_project(tmp_path).project)


def test_every_policy_has_a_naive_twin_but_never(tmp_path: Path) -> None:
    names = [policy.name for policy in find_policies([], write_project(tmp_path).project)]
    assert names[:3] == ["never", "weekly", "weekly-naive"]
    assert "declared-naive" in names
    assert "never-naive" not in names


def test_a_schedule_by_the_month_is_refused(tmp_path: Path) -> None:
    project = write_project(tmp_path).project.model_copy(update={"retrain": Retrain(schedule="0 4 1 * *")})
    with pytest.raises(RehearsalRefused, match=r"'0 4 1 \* \*' of policy 'declared' names days of the month"):
        find_policies(["declared"], project)


def test_nothing_is_due_for_never_once_it_is_trained() -> None:
    assert due_reasons(Retrain(), Monitored(None), now=NOW) == ("first",)
    old = Monitored(NOW - timedelta(days=900), has_drifted=True, is_degraded=True, has_new_data=True)
    assert due_reasons(Retrain(), old, now=NOW) == ()


def test_a_finding_waits_for_the_cool_down() -> None:
    policy = Retrain(on_drift=True, on_degradation=True)
    fresh = Monitored(NOW - COOL_DOWN + timedelta(hours=1), has_drifted=True, is_degraded=True)
    assert due_reasons(policy, fresh, now=NOW) == ()
    cool = Monitored(NOW - COOL_DOWN, has_drifted=True, is_degraded=True)
    assert due_reasons(policy, cool, now=NOW) == ("drift", "degradation")


def test_a_schedule_with_a_condition_waits_for_it() -> None:
    policy, week = Retrain(schedule="0 4 * * 1", only_if="drift"), NOW - timedelta(days=7)
    assert due_reasons(policy, Monitored(week), now=NOW) == ()
    assert due_reasons(policy, Monitored(week, has_drifted=True), now=NOW) == ("schedule",)
