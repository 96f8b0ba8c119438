"""Declared monitoring is checked."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from touchline.monitoring import Drift, Monitoring


@pytest.mark.parametrize(
    ("field", "value"), [("min_rows", 5), ("psi_floor", -1), ("alpha", 0), ("windows", 0), ("psi_limit", 0.1)]
)
def test_a_wrong_rule_names_its_field(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        Monitoring(drift={field: value})  # type: ignore[arg-type]


def test_monitoring_has_defaults_that_need_nothing() -> None:
    assert Monitoring().drift == Drift(min_rows=200, psi_floor=0.1, alpha=0.05, windows=2)
