"""The logs of decisions keep a reason for every change by a person."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from touchline.api.models.rollouts import Steering
from touchline.api.models.version_decisions import DecisionBody, PromotionBody


@pytest.mark.parametrize("body", [Steering, DecisionBody, PromotionBody])
@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_reason_that_says_nothing_or_too_much_is_refused(body: type[BaseModel], reason: str) -> None:
    with pytest.raises(ValidationError, match="reason"):
        body.model_validate({"reason": reason})


def test_a_reason_is_kept_without_the_blanks_around_it() -> None:
    assert Steering(reason=" wrong prices ").reason == "wrong prices"
