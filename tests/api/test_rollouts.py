"""The log of decisions on a rollout keeps a reason for every change by a person."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from touchline.api.rollouts import Steering


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_reason_that_says_nothing_or_too_much_is_refused(reason: str) -> None:
    with pytest.raises(ValidationError, match="reason"):
        Steering(reason=reason)


def test_a_reason_is_kept_without_the_blanks_around_it() -> None:
    assert Steering(reason=" wrong prices ").reason == "wrong prices"
