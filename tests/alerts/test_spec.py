"""Declared alerts: addresses stay secret, rules are read, and a wrong one says what is allowed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from touchline.alerts import Alerts, Observation, Rule, Webhook

SECRET = "slack://T0ken/S3cret"


def test_alerts_show_the_scheme_and_never_the_secret() -> None:
    alerts = Alerts([SECRET, "mailto://user:pass@example.org"])
    for shown in (repr(alerts), str(alerts), str(alerts.model_dump()), alerts.model_dump_json()):
        assert "S3cret" not in shown
        assert "pass" not in shown
    assert alerts.schemes == ("slack", "mailto")
    assert alerts.urls[0].get_secret_value() == SECRET


@pytest.mark.parametrize("wrong", [["slack:T0ken/S3cret"], ["not S3cret"], "slack:T0ken/S3cret"])
def test_a_wrong_address_is_refused_without_printing_it(wrong: str | list[str]) -> None:
    with pytest.raises(ValidationError, match="address 1 of 1 is not of the form") as raised:
        Alerts(wrong)
    assert "S3cret" not in str(raised.value)
    assert not any(isinstance(error["input"], str) for error in raised.value.errors())


def test_one_address_needs_no_list() -> None:
    assert Alerts(SECRET) == Alerts([SECRET])


def test_no_address_is_no_alert() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Alerts([])


@pytest.mark.parametrize(
    ("condition", "signal", "limit", "severity"),
    [
        ("log_loss > 0.8", "log_loss", 0.8, "critical"),
        ("feature_missing > 5 %", "feature_missing", 0.05, "warning"),
        ("error_rate>2%", "error_rate", 0.02, "critical"),
        ("p95 > 200 ms", "p95", 0.2, "warning"),
        ("p99 > 2 s", "p99", 2.0, "warning"),
        ("drift", "drift", None, "warning"),
    ],
)
def test_a_rule_is_read(condition: str, signal: str, limit: float | None, severity: str) -> None:
    rule = Rule(condition)
    assert (rule.signal, rule.effective_severity) == (signal, severity)
    assert rule.limit == (None if limit is None else pytest.approx(limit))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("log_los > 0.8", "Did you mean 'log_loss'"),
        ("p95", "needs a limit"),
        ("drift > 0.3", "takes no limit"),
        ("p95 > 5 %", "given in 'ms' or 's'"),
        ("when it is bad", "cannot be read"),
    ],
)
def test_a_wrong_rule_says_what_is_allowed(condition: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Rule(condition)


def test_a_limit_is_broken_only_by_a_measured_number_beyond_it() -> None:
    above, below = Rule("log_loss > 0.8"), Rule("accuracy < 0.5")
    assert above.is_broken_by(Observation("log_loss", value=0.81))
    assert not above.is_broken_by(Observation("log_loss", value=0.8))
    assert not above.is_broken_by(Observation("log_loss"))
    assert below.is_broken_by(Observation("accuracy", value=0.49))


def test_a_drift_rule_may_name_columns() -> None:
    rule = Rule("drift", columns=("elo_gap",))
    assert rule.is_broken_by(Observation("drift", is_wrong=True, columns=("age", "elo_gap")))
    assert not rule.is_broken_by(Observation("drift", is_wrong=True, columns=("age",)))


def test_a_webhook_shows_neither_its_address_nor_its_secret() -> None:
    webhook = Webhook("https://ops.example/hook-t0ken", secret="whsec_S3cret")
    alerts = Alerts(webhooks=[webhook])
    for shown in (repr(webhook), repr(alerts), alerts.model_dump_json()):
        assert "t0ken" not in shown
        assert "S3cret" not in shown
    with pytest.raises(ValidationError, match="begins with https") as raised:
        Webhook("ftp://t0ken", secret="S3cret")
    assert "t0ken" not in str(raised.value)


@pytest.mark.parametrize("condition", ["log_loss > 0.8", "p95 > 200 ms", "stale_data", "promotion"])
def test_a_rule_whose_signal_has_no_columns_is_refused_with_some(condition: str) -> None:
    with pytest.raises(ValidationError, match="takes no columns"):
        Rule(condition, columns=("elo_gap",))
