from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.stream import write_project
from touchline.errors import RehearsalRefused
from touchline.rehearsal.policies import find_policies, searched_every


def test_an_unknown_policy_names_its_neighbour(tmp_path: Path) -> None:
    with pytest.raises(RehearsalRefused, match="Did you mean 'weekly'"):
        find_policies(["weakly"], write_project(tmp_path).project)


def test_every_policy_has_a_naive_twin_but_never(tmp_path: Path) -> None:
    names = [policy.name for policy in find_policies([], write_project(tmp_path).project)]
    assert names[:3] == ["never", "weekly", "weekly-naive"]
    assert "declared-naive" in names
    assert "never-naive" not in names


def test_only_scheduled_policies_have_a_schedule(tmp_path: Path) -> None:
    policies = find_policies(["never", "weekly", "drift", "degradation"], write_project(tmp_path).project)
    assert [policy.name for policy in policies if policy.retrain.schedule is not None] == ["weekly"]


def test_a_search_period_that_is_no_length_of_time_is_refused_in_our_words(tmp_path: Path) -> None:
    with pytest.raises(RehearsalRefused) as refused:
        searched_every(write_project(tmp_path).project, "often")
    assert "--search-every" in str(refused.value)
    assert "Value error" not in str(refused.value)
