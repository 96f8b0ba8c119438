"""Performance counts mature rows, shows what is left out, and calls a risen loss an incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from touchline.clock import FrozenClock, SystemClock
from touchline.monitoring import (
    CheckedRelease,
    LiveRows,
    Performance,
    PerformanceReports,
    PerformanceVerdict,
    Refreshed,
    RowShape,
    TestWindow,
    check_performance,
    read_live_rows,
    with_categories,
)
from touchline.predictions import Outcome, OutcomeRecords
from touchline.registry import MetricValue
from touchline.statistics import build_profile
from touchline.storage import Database
from touchline.storage.tables import predictions
from touchline.storage.ulids import ulid_at

START = datetime(2024, 1, 1, tzinfo=UTC)
SHAPE = RowShape("binary", ("no", "yes"), width=2, fields=("country",))
A_DAY = 20


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def log(database: Database, days: Sequence[int], *, worse: float = 0.0, seed: int = 0, labelled: bool = True) -> None:
    """Twenty answers a day; their labels come six hours later and are as likely as predicted, less `worse`."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    outcomes: dict[int, list[Outcome]] = {number: [] for number in days if labelled}
    for number in days:
        for at in range(A_DAY):
            p = float(rng.uniform(0.05, 0.95))
            cutoff = day(number) + timedelta(seconds=at)
            example = f"e{number}-{at}"
            rows.append(
                {
                    "prediction_id": ulid_at(cutoff),
                    "request_id": "r",
                    "project": "shop",
                    "release_id": "one",
                    "role": "answer",
                    "variant": "production" if at % 2 else "candidate",
                    "probability": 1.0,
                    "override": False,
                    "example_id": example,
                    "cluster": f"{number}",
                    "entity_keys": {},
                    "cutoff": cutoff,
                    "answered_at": cutoff,
                    "views": {},
                    "inputs": {"country": "de" if at < 12 else "fr"},
                    "vector": np.array([p, at % 2], dtype="<f8").tobytes(),
                    "output": {"probabilities": {"no": 1 - p, "yes": p}},
                }
            )
            happened = rng.random() < (p if rng.random() >= worse else 1 - p)
            outcomes.get(number, []).append(Outcome("yes" if happened else "no", example))
    with database.begin() as connection:
        connection.execute(predictions.insert(), rows)
    for number, of_day in outcomes.items():
        OutcomeRecords(database, "shop").record(of_day, source="api", now=day(number + 0.25))


def a_test_window(days: int = 120) -> TestWindow:
    rng = np.random.default_rng(9)
    p = rng.uniform(0.05, 0.95, days * A_DAY)
    losses = -np.log(np.where(rng.random(len(p)) < p, p, 1 - p))
    figures = {"log_loss": MetricValue(float(losses.mean()), 0.4, 0.6)}
    constant = {"log_loss": MetricValue(0.693)}
    return TestWindow(figures, constant, losses, np.repeat(np.arange(days), A_DAY), "log_loss")


def rows_of(database: Database, now: datetime) -> LiveRows:
    return read_live_rows(database, "shop", {"one": SHAPE}, clock=FrozenClock(now))["one"]


def a_check(database: Database, now: datetime, test: TestWindow | None = None, **rule: object) -> PerformanceVerdict:
    live = rows_of(database, now)
    window = test or a_test_window()
    return check_performance(live, CheckedRelease("shop", "one", SHAPE, window), rule=Performance(**rule), now=now)  # type: ignore[arg-type]


def test_without_outcomes_there_is_no_verdict_yet(database: Database) -> None:
    assert a_check(database, day(1)).message.startswith(
        "Not enough data: no prediction of the version in Production has an outcome yet."
    )
    log(database, range(3), labelled=False)
    verdict = a_check(database, day(9))
    assert (verdict.state, verdict.rows, verdict.young, verdict.mature_after_seconds) == (
        "not_enough_data",
        0,
        60,
        None,
    )


def test_answers_of_today_count_where_project_time_stands_still_in_the_past(database: Database) -> None:
    log(database, range(30))
    with database.begin() as connection:
        connection.execute(sa.update(predictions).values(answered_at=datetime.now(UTC)))
    verdict = a_check(database, day(31))
    assert (verdict.state, verdict.rows, verdict.young) == ("stable", 600, 0)
    assert len(rows_of(database, day(10) - timedelta(hours=1))) == 10 * A_DAY


def test_answers_count_by_their_own_time_where_project_time_is_the_walls(database: Database) -> None:
    log(database, range(3))
    with database.begin() as connection:
        connection.execute(sa.update(predictions).values(answered_at=datetime.now(UTC) + timedelta(hours=1)))
    assert len(read_live_rows(database, "shop", {"one": SHAPE}, clock=SystemClock())["one"]) == 0


def test_good_predictions_are_stable_beside_the_test_window(database: Database) -> None:
    log(database, range(30))
    verdict = a_check(database, day(31))
    loss = next(metric for metric in verdict.metrics if metric.name == "log_loss")
    assert verdict.state == "stable"
    assert verdict.message.startswith("No loss incident: log_loss 0.")
    assert (loss.test_low, loss.test_high, loss.baseline) == (0.4, 0.6, 0.693)
    assert loss.low is not None
    assert loss.low < loss.value < (loss.high or 0)
    assert len(verdict.trend) == 30
    yes = next(one for one in verdict.calibration if one.output == "yes")
    assert yes.low is not None
    assert yes.low <= yes.predicted <= (yes.high or 0)


def test_worse_predictions_are_an_incident_that_names_its_onset_and_the_next_step(database: Database) -> None:
    log(database, range(20))
    log(database, range(20, 50), worse=0.5, seed=1)
    verdict = a_check(database, day(51))
    assert verdict.state == "degraded"
    assert verdict.onset_on is not None
    assert "2024-01-17" <= verdict.onset_on <= "2024-01-25"
    assert verdict.message.startswith(f"Loss incident since about {verdict.onset_on}, found on 2024-0")
    assert "touchline monitor cause" in verdict.message


def test_rows_younger_than_the_age_of_maturity_are_shown_and_not_counted(database: Database) -> None:
    log(database, range(10))
    log(database, [10], labelled=False, seed=1)
    verdict = a_check(database, day(10) + timedelta(hours=3))
    assert (verdict.rows, verdict.young, verdict.coverage) == (200, 20, 1.0)
    assert verdict.mature_after_seconds == pytest.approx(6 * 3600, abs=20)
    later = a_check(database, day(11))
    assert (later.young, later.open, later.coverage) == (0, 20, 200 / 220)
    assert "91% of mature predictions have an outcome." in later.message


def test_variants_inputs_and_categories_are_shown_apart(database: Database) -> None:
    log(database, range(10))
    profile = build_profile([[0.5, 0.0], [0.5, 1.0]] * 10, names=["p", "side"], levels={"side": ["left", "right"]})
    live = with_categories(rows_of(database, day(11)), profile, ())
    release = CheckedRelease("shop", "one", SHAPE, a_test_window())
    verdict = check_performance(live, release, rule=Performance(), now=day(11))
    shown = {(one.field, one.value): one.rows for one in verdict.slices.slices}
    assert shown == {
        ("variant", "production"): 100,
        ("variant", "candidate"): 100,
        ("country", "de"): 120,
        ("country", "fr"): 80,
        ("side", "left"): 100,
        ("side", "right"): 100,
    }


def test_a_corrected_outcome_counts_with_its_newest_label(database: Database) -> None:
    log(database, range(10))
    before = rows_of(database, day(11)).labels[0]
    other = "no" if before else "yes"
    OutcomeRecords(database, "shop").record([Outcome(other, "e0-0")], source="api", now=day(10.5))
    corrected = rows_of(database, day(11))
    assert corrected.labels[0] == 1 - before
    assert corrected.received[0] == (day(0) + timedelta(hours=6)).timestamp()


def test_labels_of_no_class_and_labels_known_before_are_counted_apart(database: Database) -> None:
    log(database, [0], labelled=False)
    records = OutcomeRecords(database, "shop")
    records.record([Outcome("maybe", "e0-0")], source="api", now=day(1))
    records.record([Outcome("yes", "e0-1", label_timestamp=day(-1))], source="api", now=day(1))
    records.record([Outcome("yes", "e0-2"), Outcome("no", "unknown")], source="api", now=day(1))
    live = rows_of(database, day(2))
    assert (live.unusable, int(live.has_label.sum()), len(live)) == (2, 1, 20)


def test_a_row_without_an_example_belongs_to_its_day_where_examples_are_clustered(database: Database) -> None:
    log(database, range(3))
    with database.begin() as connection:
        connection.execute(predictions.update().values(example_id=None, cluster=None))
    clustered = replace(SHAPE, is_clustered=True)
    alone, days = (
        read_live_rows(database, "shop", {"one": shape}, clock=FrozenClock(day(4)))["one"]
        for shape in (SHAPE, clustered)
    )
    assert len(set(alone.clusters)) == 3 * A_DAY
    assert sorted(set(days.clusters)) == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_a_clock_that_goes_back_hides_rows_and_breaks_nothing(database: Database) -> None:
    log(database, range(10))
    assert (len(rows_of(database, day(4.5))), rows_of(database, day(4.1)).has_label.sum()) == (100, 80)
    assert len(rows_of(database, day(-1))) == 0
    assert a_check(database, day(-1)).state == "not_enough_data"


def test_a_short_test_window_gives_figures_and_no_alarm(database: Database) -> None:
    log(database, range(20), worse=1.0)
    verdict = a_check(database, day(21), a_test_window(days=10))
    assert verdict.state == "unwatched"
    assert verdict.message.startswith("The loss is not watched: the test window has 10 days, 20 are needed")
    assert {metric.name for metric in verdict.metrics} >= {"log_loss"}


def test_a_table_without_time_says_that_its_loss_is_not_watched_and_what_does(database: Database) -> None:
    log(database, range(20), worse=1.0)
    verdict = a_check(database, day(21), replace(a_test_window(), is_timed=False))
    assert verdict.state == "unwatched"
    assert verdict.message.startswith("The loss is not watched: its table has no time")
    assert "Alerts(rules=[*DEFAULT_RULES, 'log_loss > 0.6'])" in verdict.message
    few = a_check(database, day(0.5), replace(a_test_window(), is_timed=False))
    assert few.message.startswith("Not enough data")
    assert "its table has no time" in few.message


def test_the_alarm_goes_on_over_a_refresh_and_the_figures_do_not(database: Database) -> None:
    log(database, range(40))
    log(database, range(40, 60), worse=0.35, seed=1)
    live, test, whole = rows_of(database, day(61)), a_test_window(), a_check(database, day(61))
    alarm_on = int(whole.incidents[0][1][-2:]) + 31 * (whole.incidents[0][1][5:7] == "02") - 1  # days since START
    is_own = live.days >= live.days[0] + alarm_on - 1  # refreshed on the day before the alarm
    is_checked = live.days <= live.days[0] + alarm_on + 3
    before, own = live.at(~is_own), live.at(is_own & is_checked)
    alone = check_performance(own, CheckedRelease("shop", "two", SHAPE, test), rule=Performance(), now=day(61))
    chain = CheckedRelease("shop", "two", SHAPE, test, (Refreshed(1, before, test),))
    verdict = check_performance(own, chain, rule=Performance(), now=day(61))
    assert (alone.state, alone.incidents, alone.notes) == ("stable", (), ())
    assert (verdict.state, verdict.incidents) == ("degraded", whole.incidents)
    assert verdict.metrics == alone.metrics
    assert verdict.notes == ("The loss alarm goes on over refreshes: it has watched version 1 before this one.",)
    few = check_performance(own, chain, rule=Performance(min_rows=200), now=day(61))
    assert (few.state, few.metrics, few.incidents) == (verdict.state, (), verdict.incidents)
    assert "100 of 200 mature predictions with an outcome are this version's own" in few.message


def test_verdicts_are_stored(database: Database) -> None:
    log(database, range(10))
    verdict = a_check(database, day(11))
    reports = PerformanceReports(database, "shop")
    reports.add(verdict, wall=day(11))
    (stored,) = reports.newest()
    assert (stored["state"], stored["message"]) == ("stable", verdict.message)
