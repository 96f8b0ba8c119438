"""One odd window is a warning, the declared number in a row is drift, too few rows are neither."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import binomtest

from touchline.errors import DriftColumnUnknown
from touchline.monitoring import CurrentRows, Drift, DriftVerdict, Window, check_drift, explain_verdict
from touchline.statistics import Profile, build_profile
from touchline.storage.ulids import ulid_at

NOW = datetime(2024, 5, 1, tzinfo=UTC)
NAMES = ("elo_gap", "form", "ground")
# Two equal normal distributions this far apart have a PSI of the default floor, 0.1.
SHIFT_AT_FLOOR = 0.33


def some_rows(seed: int, rows: int, *, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [rng.normal(shift, 1, rows), rng.normal(size=rows), rng.integers(0, 2, rows), rng.random(rows)]
    )


def a_profile(seed: int = 0, rows: int = 4000) -> Profile:
    found = some_rows(seed, rows)
    return build_profile(found[:, :3], names=NAMES, levels={"ground": ["home", "away"]}, outputs={"p_win": found[:, 3]})


def a_check(rows: np.ndarray, *, number: int = 1, previous: DriftVerdict | None = None, **rule: object) -> DriftVerdict:
    current = CurrentRows(rows, Window(f"{number - 1:03}", f"{number:03}"))
    return check_drift(a_profile(), current, project="shop", rule=Drift(**rule), now=NOW, previous=previous)  # type: ignore[arg-type]


def test_the_same_world_is_stable() -> None:
    verdict = a_check(some_rows(1, 500))
    assert (verdict.state, verdict.rows, verdict.missing) == ("stable", 500, 0)
    assert verdict.message.startswith("No drift: none of 4 columns differs on 500 rows. Nothing to do.")


def test_a_window_of_one_cluster_says_what_it_cannot_show() -> None:
    found = some_rows(0, 1000)
    profile = build_profile(found, names=["a", "b", "c", "d"], clusters=np.arange(1000) // 50)
    for clusters, is_said in ((["mon"] * 300, True), (list(map(str, range(300))), False)):
        current = CurrentRows(some_rows(1, 300), Window("0", "1"), clusters=tuple(clusters))
        message = check_drift(profile, current, project="shop", rule=Drift(), now=NOW).message
        assert ("The rows are of 1 cluster (such as a day)" in message) == is_said


@pytest.mark.parametrize("clusters", [1, 2])
def test_a_reference_of_too_few_clusters_is_said_to_show_nothing(clusters: int) -> None:
    found = some_rows(0, 1000)
    profile = build_profile(found, names=["a", "b", "c", "d"], clusters=np.arange(1000) % clusters)
    current = CurrentRows(some_rows(1, 300) + 2.0, Window("0", "1"), clusters=("mon",) * 300)
    verdict = check_drift(profile, current, project="shop", rule=Drift(), now=NOW)
    assert verdict.state == "stable"
    assert "too few to show any change" in verdict.message
    assert "moved level" not in verdict.message


def test_a_reference_of_two_clusters_beside_many_can_show_a_change() -> None:
    profile = build_profile(some_rows(0, 1000), names=["a", "b", "c", "d"], clusters=np.arange(1000) % 2)
    days = tuple(str(row // 10) for row in range(300))
    current = CurrentRows(some_rows(1, 300) + 2.0, Window("0", "1"), clusters=days)
    verdict = check_drift(profile, current, project="shop", rule=Drift(), now=NOW)
    assert verdict.state != "stable"
    assert "too few" not in verdict.message


def test_the_power_is_printed_and_holds() -> None:
    verdict = a_check(some_rows(1, 500))
    assert f"finds a shift of {verdict.detectable_shift:.2g} standard deviations" in verdict.message
    rule, found = Drift(psi_floor=0), 0
    for seed in range(100):
        current = CurrentRows(some_rows(seed, 500, shift=0.18), Window("0", "1"))
        verdict = check_drift(a_profile(1000 + seed), current, project="shop", rule=rule, now=NOW)
        found += verdict.columns[0].differs
    assert verdict.detectable_shift == pytest.approx(0.18, abs=0.01)
    assert 0.7 <= found / 100 <= 0.95


def test_the_message_names_nulls_levels_and_numbers_that_the_reference_lacks() -> None:
    rows = some_rows(1, 400)
    rows[:60, 0], rows[60:70, 0], rows[:30, 2] = np.nan, 99.0, -1
    verdict = a_check(rows)
    assert "missing 0.0% → 15.0%, 10 of 400 rows outside of the range" in verdict.message
    assert "30 of 400 rows with a level that is not in the reference" in verdict.message


def test_each_number_of_a_verdict_has_its_meaning() -> None:
    window = Window(ulid_at(NOW - timedelta(days=1)), ulid_at(NOW))
    current = CurrentRows(some_rows(1, 300, shift=1), window, repeats=20, left_out=5)
    rule = Drift(alpha=0.01)
    verdict = check_drift(a_profile(), current, project="shop", rule=rule, now=NOW)
    text = "\n".join(explain_verdict(DriftVerdict.from_json(verdict.to_json()), rule))
    assert "after 2024-04-30 00:00:00 UTC, up to 2024-05-01 00:00:00 UTC" in text
    assert "rows: 300, one for each example, of 325 predictions without 20 that a later prediction" in text
    assert "the oldest 5, since a check reads 50000 at most" in text
    assert "reference: the 4000 test rows of the training" in text
    assert "corrected over the 4 checked columns" in text
    assert "where p is at most 0.01 and PSI at least 0.1" in text
    first = explain_verdict(
        check_drift(a_profile(), CurrentRows(current.matrix[:9], Window("", "")), project="shop", rule=rule, now=NOW),
        rule,
    )
    assert "in the log since its first one" in first[0]
    assert "rows: 9, one for each example, of 9 predictions" in first[1]
    assert len(first) == 3


def test_too_few_rows_say_how_many_more() -> None:
    verdict = a_check(some_rows(1, 120, shift=5))
    assert (verdict.state, verdict.missing, verdict.columns) == ("not_enough_data", 80, ())
    assert "120 of 200 rows" in verdict.message
    assert "80 more are needed" in verdict.message


def test_one_odd_window_is_watched_and_the_second_in_a_row_is_drift() -> None:
    first = a_check(some_rows(1, 300, shift=1))
    assert first.state == "watch"
    assert "elo_gap (PSI" in first.message
    assert "drift after 2 windows in a row, this is 1" in first.message
    second = a_check(some_rows(2, 300, shift=1), number=2, previous=first)
    assert second.state == "drift"
    assert [column.name for column in second.drifted] == ["elo_gap"]
    assert "touchline retrain" in second.message


def test_a_quiet_window_between_starts_the_count_anew() -> None:
    odd = a_check(some_rows(1, 300, shift=1))
    quiet = a_check(some_rows(2, 300), number=2, previous=odd)
    assert a_check(some_rows(3, 300, shift=1), number=3, previous=quiet).state == "watch"


def test_windows_that_share_rows_do_not_count_as_two() -> None:
    first = a_check(some_rows(1, 300, shift=1), number=1)
    assert a_check(some_rows(1, 300, shift=1), number=1, previous=first).state == "watch"


def test_a_significant_but_small_effect_stays_under_the_floor() -> None:
    verdict = a_check(some_rows(1, 20_000, shift=0.1))
    (gap, *_) = verdict.columns
    assert gap.p_adjusted < 0.001
    assert gap.psi < 0.1
    assert verdict.state == "stable"


def test_drift_of_the_answers_is_found_and_marked() -> None:
    rows = some_rows(1, 400)
    rows[:, 3] = rows[:, 3] ** 3
    (found,) = a_check(rows, windows=1).drifted
    assert (found.name, found.is_output) == ("p_win", True)


def test_only_watched_columns_are_judged() -> None:
    rows = some_rows(1, 400, shift=2)
    assert [column.name for column in a_check(rows, columns=("form", "p_win")).columns] == ["form", "p_win"]
    assert a_check(rows, ignore=("elo_gap",)).state == "stable"


def test_a_rule_for_an_unknown_column_names_its_neighbour() -> None:
    with pytest.raises(DriftColumnUnknown, match="Did you mean 'elo_gap'"):
        a_check(some_rows(1, 300), columns=("elo_gpa",))


def test_what_is_written_is_what_is_read() -> None:
    verdict = a_check(some_rows(1, 300, shift=1))
    assert DriftVerdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_no_drift_alarms_at_most_at_the_stated_rate() -> None:
    runs = 80
    alarms = sum(a_check(some_rows(seed, 250), psi_floor=0, windows=1).state == "drift" for seed in range(1, runs + 1))
    assert binomtest(alarms, runs, 0.05, alternative="greater").pvalue > 0.001


def test_a_shift_of_the_floor_size_is_found() -> None:
    runs = 40
    found = sum(
        a_check(some_rows(seed, 400, shift=SHIFT_AT_FLOOR), windows=1).state == "drift" for seed in range(1, runs + 1)
    )
    print(f"power at the floor (PSI 0.1, 400 rows): {found}/{runs}")
    assert found / runs > 0.5
