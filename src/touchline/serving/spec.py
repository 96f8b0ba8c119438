"""The serving slice of a declaration: how traffic moves from Production to Staging."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Share = Annotated[int, Field(ge=1, le=100)]


class Rollout(BaseModel):
    """The policy by which a Staging version takes over: steps, unit and metric.

    >>> Rollout(mode="shadow", steps=(10, 100), unit="user_id").steps
    (10, 100)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["shadow", "split"] = "shadow"
    steps: Annotated[tuple[Share, ...], Field(min_length=1)] = (10, 25, 50, 100)
    unit: str | None = Field(None, description="request or example column that keeps its variant; default: the request")
    cluster: str | None = Field(None, description="column whose rows depend on each other, such as the day")
    metric: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")] = "log_loss"
    min_days: Annotated[int, Field(ge=0)] = 7

    @field_validator("steps")
    @classmethod
    def _steps_climb_to_all(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if list(steps) != sorted(set(steps)) or steps[-1] != 100:
            raise ValueError(f"steps are {steps}; they must rise and end at 100, e.g. (10, 25, 50, 100)")
        return steps
