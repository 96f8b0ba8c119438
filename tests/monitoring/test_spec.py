"""Declared monitoring is checked, and addresses of alerts stay secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from touchline.monitoring import Alerts, Drift, Monitoring

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
    ("field", "value"), [("min_rows", 5), ("psi_floor", -1), ("alpha", 0), ("windows", 0), ("psi_limit", 0.1)]
)
def test_a_wrong_rule_names_its_field(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        Monitoring(drift={field: value})  # type: ignore[arg-type]


def test_monitoring_has_defaults_that_need_nothing() -> None:
    assert Monitoring().drift == Drift(min_rows=200, psi_floor=0.1, alpha=0.05, windows=2)
