"""A performance report becomes a loss incident, and its figures become numbers that rules can limit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from touchline.alerts import Observation, Rule
from touchline.automation.alert_checks.loss_observations import loss_observations


def a_report(**changes: Any) -> dict[str, Any]:
    metric = {"name": "log_loss", "value": 0.85, "low": 0.81, "high": 0.89, "test": 0.7}
    accuracy = {"name": "accuracy", "value": 0.5, "low": 0.46, "high": 0.54, "test": 0.6}
    report = {
        "state": "degraded",
        "at": "2026-03-01T12:00:00+00:00",
        "message": "Loss incident since about 2026-02-20.",
        "score": "log_loss",
        "rows": 900,
        "metrics": [metric, accuracy],
        "incidents": [["2026-02-20", "2026-02-27", None]],
        "alarm_limit": 0.72,
        "estimate": an_estimate(fit=0.001),
        "facts": ["2026-02-19 06:00: source visits: the ingest ended as 'failed'"],
    }
    return {**report, **changes}


def an_estimate(*, fit: float) -> dict[str, Any]:
    """The class shares have changed; whether they explain the probabilities is a question of `fit`."""
    prior = {"before": [0.5, 0.5], "now": [0.8, 0.2], "p_value": 1e-6, "fit": fit, "rows": 300}
    return {"score": "log_loss", "value": 0.8, "low": 0.75, "high": 0.85, "note": "an estimate", "prior": prior}


def by_signal(report: dict[str, Any]) -> dict[str, Observation]:
    return {one.signal: one for one in loss_observations("shop", report)}


def test_an_open_loss_incident_is_wrong_since_its_onset_and_says_what_it_costs() -> None:
    loss = by_signal(a_report())["loss"]
    assert (loss.is_wrong, loss.since) == (True, datetime(2026, 2, 20, tzinfo=UTC))
    assert loss.cost == "log_loss +0.15 a prediction against the test window"
    assert loss.next_command == "touchline monitor cause -p shop"
    assert loss.facts == ("2026-02-19 06:00: source visits: the ingest ended as 'failed'",)
    ended = a_report(state="stable", incidents=[["2026-02-20", "2026-02-27", "2026-02-28"]])
    assert by_signal(ended)["loss"].is_wrong is False


def test_a_loss_that_new_class_shares_explain_names_the_command_that_mends_it() -> None:
    loss = by_signal(a_report(estimate=an_estimate(fit=0.4)))["loss"]
    assert loss.next_command == "touchline monitor recalibrate -p shop"


def test_a_limit_on_a_metric_counts_only_beyond_chance() -> None:
    signals = by_signal(a_report())
    assert Rule("log_loss > 0.8").is_broken_by(signals["log_loss"])
    assert not Rule("log_loss > 0.82").is_broken_by(signals["log_loss"])
    assert Rule("accuracy < 0.55").is_broken_by(signals["accuracy"])
    assert not Rule("accuracy < 0.52").is_broken_by(signals["accuracy"])


def test_an_estimate_is_wrong_where_its_whole_interval_is_above_the_limit() -> None:
    assert by_signal(a_report())["estimated_loss"].is_wrong is True
    assert by_signal(a_report(alarm_limit=0.76))["estimated_loss"].is_wrong is False
    assert "estimated_loss" not in by_signal(a_report(alarm_limit=None))


def test_too_few_rows_say_nothing_and_all_signals_are_one_incident() -> None:
    assert by_signal(a_report(state="not_enough_data")) == {}
    assert {one.cause_key for one in loss_observations("shop", a_report())} == {"loss"}
