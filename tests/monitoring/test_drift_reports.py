"""From the prediction log to a recorded verdict: one pass over what is new, nothing counted twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from touchline.clock import FrozenClock
from touchline.errors import ProfileMismatch
from touchline.monitoring import (
    CurrentRows,
    Drift,
    DriftReports,
    DriftVerdict,
    MonitoringReport,
    Window,
    check_drift,
    check_release_drift,
    monitoring_page,
    read_current,
)
from touchline.predictions import PredictionRecords
from touchline.statistics import Profile, build_profile
from touchline.storage import Database
from touchline.storage.tables import predictions
from touchline.storage.ulids import ulid_at

CLOCK = FrozenClock(datetime(2024, 5, 1, tzinfo=UTC))
RULE = Drift(min_rows=200)


def a_profile(*, clusters: np.ndarray | None = None) -> Profile:
    rng = np.random.default_rng(0)
    return build_profile(
        rng.normal(size=(2000, 2)), names=["gap", "form"], outputs={"p_home": rng.random(2000)}, clusters=clusters
    )


def a_prediction(number: int, vector: np.ndarray, output: float, **changes: Any) -> dict[str, Any]:
    return {
        "prediction_id": f"{number:026}",
        "request_id": "r",
        "project": "football",
        "release_id": "one",
        "role": "answer",
        "variant": "production",
        "probability": 1.0,
        "override": False,
        "example_id": f"match-{number}",
        "entity_keys": {},
        "cutoff": CLOCK.instant + timedelta(hours=number),
        "answered_at": CLOCK.instant,
        "views": {},
        "inputs": {},
        "vector": vector.astype("<f8").tobytes(),
        "output": {"probabilities": {"home": output, "away": 1 - output}},
        **changes,
    }


def log(database: Database, first: int, rows: int, *, shift: float = 0.0, **changes: Any) -> None:
    rng = np.random.default_rng(first)
    logged = [
        a_prediction(first + at, rng.normal([shift, 0.0], 1), float(rng.random()), **changes) for at in range(rows)
    ]
    with database.begin() as connection:
        connection.execute(predictions.insert(), logged)


def a_check(database: Database) -> DriftVerdict:
    return check_release_drift(database, "football", "one", profile=a_profile(), rule=RULE, clock=CLOCK)


def test_small_windows_are_pooled_until_there_are_enough_rows(database: Database) -> None:
    log(database, 0, 150)
    early = a_check(database)
    assert (early.state, early.rows, early.missing) == ("not_enough_data", 150, 50)
    log(database, 150, 60)
    pooled = a_check(database)
    assert (pooled.has_enough_rows, pooled.rows) == (True, 210)


def test_a_shift_is_drift_in_the_second_window_and_never_by_asking_twice(database: Database) -> None:
    log(database, 0, 300, shift=1)
    assert a_check(database).state == "watch"
    assert a_check(database).state == "not_enough_data"
    log(database, 300, 300, shift=1)
    assert a_check(database).state == "drift"
    assert [report.state for report in DriftReports(database, "football").newest()] == [
        "drift",
        "not_enough_data",
        "watch",
    ]


def test_a_check_of_too_few_rows_does_not_hide_the_last_verdict(database: Database) -> None:
    reports = DriftReports(database, "football")
    assert reports.last_verdict() is None
    log(database, 0, 300, shift=1)
    watch = a_check(database)
    small = a_check(database)
    assert small.state == "not_enough_data"
    assert reports.last_verdict() == watch
    report = MonitoringReport("football", drift=small, last_drift=watch)
    assert report.sentence.endswith(f"The last drift check with enough rows (2024-05-01): {watch.message}")
    assert "Drift at the last check with enough rows, 2024-05-01 00:00 UTC" in monitoring_page(report).to_html()


def test_a_page_shows_columns_of_any_name_as_text_and_each_has_its_bar() -> None:
    # Outputs are named after classes, which may be any text.
    names = ["<script>alert(1)</script>", "$x^{$", "two\nlines", "a class of one sentence " * 7 + "a"]
    names.append(names[-1] + "b")
    reference, now = np.random.default_rng(0).normal(size=(2, 400, len(names)))
    current = CurrentRows(now + 2, Window("0", "1"))
    profile = build_profile(reference, names=names)
    verdict = check_drift(profile, current, project="shop", rule=Drift(), now=CLOCK.now())
    page = monitoring_page(MonitoringReport("shop", drift=verdict)).to_html()
    assert "<script>" not in page
    assert page.count(names[-2][:40]) >= 4  # twice in the table, and below two bars
    assert page.count('id="ytick_') == len(names)


def test_answers_that_reach_the_log_late_are_judged_with_their_window(database: Database) -> None:
    log(database, 0, 200, shift=1)
    assert a_check(database).state == "watch"
    log(database, 2000, 200, shift=1)
    assert a_check(database).state == "drift"
    # A server that was cut off from the database brings what it answered between the two windows' ends.
    log(database, 1000, 50, shift=1)
    late = a_check(database)
    assert (late.rows, late.answers, late.state) == (250, 250, "drift")
    log(database, 500, 10, shift=1)
    assert a_check(database).rows == 260
    log(database, 100_000, 200)
    assert (a_check(database).rows, a_check(database).state) == (200, "not_enough_data")


def test_late_answers_of_the_first_window_start_the_count_anew(database: Database) -> None:
    log(database, 100, 200, shift=1)
    log(database, 1000, 200, shift=1)
    a_check(database)
    log(database, 0, 5, shift=1)
    again = a_check(database)
    assert (again.state, again.rows, again.window.after) == ("watch", 405, "")


def test_answers_that_another_server_may_still_write_wait_for_the_next_window(database: Database) -> None:
    log(database, 0, 210)
    just_now = ulid_at(CLOCK.wall())
    with database.begin() as connection:
        connection.execute(predictions.insert(), [a_prediction(1, np.zeros(2), 0.5, prediction_id=just_now)])
    assert a_check(database).answers == 210


def test_other_projects_releases_and_shadows_do_not_count(database: Database) -> None:
    log(database, 0, 10, project="leads")
    log(database, 100, 10, release_id="two")
    log(database, 200, 10, role="shadow")
    assert a_check(database).rows == 0


def test_an_example_asked_again_counts_once(database: Database) -> None:
    log(database, 0, 30, example_id="the-final")
    log(database, 100, 5)
    current = read_current(PredictionRecords(database, "football"), "one", a_profile(), wall=CLOCK.wall())
    assert (len(current.matrix), current.repeats, current.left_out) == (6, 29, 0)


def test_the_matrix_is_what_was_logged(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(predictions.insert(), [a_prediction(1, np.array([1.5, np.nan]), 0.25)])
    current = read_current(PredictionRecords(database, "football"), "one", a_profile(), wall=CLOCK.wall())
    assert current.matrix[0] == pytest.approx([1.5, np.nan, 0.25], nan_ok=True)
    assert current.clusters is None


def test_days_are_the_clusters_where_the_reference_has_clusters(database: Database) -> None:
    log(database, 0, 30)
    log(database, 100, 1, cluster="round 1")
    current = read_current(
        PredictionRecords(database, "football"), "one", a_profile(clusters=np.arange(2000) // 9), wall=CLOCK.wall()
    )
    assert current.clusters is not None
    assert sorted(set(current.clusters)) == ["2024-05-01", "2024-05-02", "round 1"]


def test_a_log_that_does_not_fit_the_profile_says_so(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(predictions.insert(), [a_prediction(1, np.zeros(5), 0.25)])
    with pytest.raises(ProfileMismatch, match=r"vectors of \[5\] numbers, its drift profile has 2 features"):
        a_check(database)
