"""`Rollout` and `Guardrail`: how a declaration lets a version in Staging take over from Production."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from touchline.rollout.routing import Variant

Share = Annotated[int, Field(strict=True, ge=1, le=100)]
_LONGEST_DAYS: Final = 3650
Mode = Literal["shadow", "ab", "canary"]
GuardrailKind = Literal["errors", "slow", "calibration"]
Metric = Literal["log_loss", "brier", "rps", "mse", "mae"]
SampleRatioAction = Literal["hold", "abort", "warn"]


class Guardrail(BaseModel):
    """A measure of the new version that may be worse by at most a margin, tested at every event.

    >>> Guardrail.errors(margin=0.01).describe()
    'share of failed requests at most 1 point above that of Production'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: GuardrailKind
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.01
    least_events: Annotated[int, Field(ge=1)] = 5
    milliseconds: Annotated[float, Field(gt=0)] = 100.0
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01

    @classmethod
    def errors(cls, *, margin: float = 0.01, least_events: int = 5) -> Self:
        """The share of requests that the version fails to answer."""
        return cls(kind="errors", margin=margin, least_events=least_events)

    @classmethod
    def slow(cls, *, milliseconds: float = 100.0, margin: float = 0.02, least_events: int = 5) -> Self:
        """The share of requests whose features and score take longer than so many milliseconds."""
        return cls(kind="slow", milliseconds=milliseconds, margin=margin, least_events=least_events)

    @classmethod
    def calibration(cls, *, margin: float = 0.05) -> Self:
        """The mean of (outcome - predicted probability) of each class, counted with the outcomes."""
        return cls(kind="calibration", margin=margin)

    def describe(self) -> str:
        """The rule in words."""
        if self.kind == "calibration":
            return f"predicted probabilities miss the frequency of each class by at most {self.points}"
        what = "failed requests" if self.kind == "errors" else f"requests slower than {self.milliseconds:g} ms"
        return f"share of {what} at most {self.points} above that of Production"

    @property
    def points(self) -> str:
        """The margin in words."""
        points = f"{self.margin * 100:g}"
        return f"{points} point" if points == "1" else f"{points} points"


class Rollout(BaseModel):
    """The policy by which a version in Staging takes over.

    `shadow`: both versions predict, Production answers, and the pairs are compared: no traffic is at risk, and it needs
    the fewest outcomes where predictions do not change what they predict. `ab`: units are split in `steps`, each
    answered by one version; for predictions that act on their outcome. `canary`: the same steps, decided by
    `guardrails` alone, where no outcome arrives.

    `alpha` is the chance to promote a version that is not better; `margin` is the mean difference in `metric` that
    makes no difference: by default 0.01, of numbers 2 % of Production's loss. Each step of `ab` and `canary` lasts
    `min_days` or longer; the rollout ends after `longest_days`. A prediction counts once it is `maturity` old, so that
    outcomes which arrive early do not weigh more; by default the task's `label_horizon`.

    >>> Rollout(mode="ab", steps=(10, 100), unit="user_id").steps
    (10, 100)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    MARGIN: ClassVar[float] = 0.01
    RELATIVE_MARGIN: ClassVar[float] = 0.02

    mode: Mode = "shadow"
    steps: Annotated[tuple[Share, ...], Field(min_length=1)] = (10, 25, 50, 100)
    needs: Literal["better", "not_worse"] = Field(
        default="better", description="what has to be shown; not_worse, by the margin, where a gate has shown the gain"
    )
    approval: bool = Field(default=False, description="each step waits for `touchline rollout approve`")
    unit: str | None = Field(
        default=None,
        description="request field that keeps its variant: an input, an entity key or example_id; default: the request",
    )
    cluster: bool = Field(default=False, description="outcomes of one cluster, such as a day, are dependent")
    metric: Metric | None = Field(default=None, description="default: log_loss, of numbers mse")
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    margin: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    min_days: Annotated[float, Field(ge=0, le=_LONGEST_DAYS)] = 7
    longest_days: Annotated[float, Field(gt=0, le=_LONGEST_DAYS)] = 90
    maturity: timedelta | None = None
    guardrails: tuple[Guardrail, ...] = (Guardrail.errors(), Guardrail.slow())
    on_sample_ratio: SampleRatioAction = "hold"
    overrides: dict[str, Variant] = Field(
        default_factory=dict, description="units of testers with their variant; they count for nothing"
    )
    holdout_days: float = Field(
        default=56,
        ge=0,
        le=_LONGEST_DAYS,
        description="days that a refresh's predecessor predicts beside it",
    )

    @field_validator("steps", mode="before")
    @classmethod
    def _there_is_a_step(cls, steps: object) -> object:
        if isinstance(steps, tuple | list) and not steps:
            raise ValueError("steps are empty; they are percentages that rise and end at 100, e.g. (10, 25, 50, 100)")
        return steps

    @field_validator("steps")
    @classmethod
    def _steps_climb_to_all(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if list(steps) != sorted(set(steps)) or steps[-1] != 100:
            raise ValueError(f"steps are {steps}; they must rise and end at 100, e.g. (10, 25, 50, 100)")
        return steps

    @field_validator("maturity")
    @classmethod
    def _maturity_is_ahead(cls, maturity: timedelta | None) -> timedelta | None:
        if maturity is not None and maturity < timedelta(0):
            raise ValueError(f"maturity is {maturity}; it is the age of a prediction that counts, 0 or longer")
        return maturity

    @model_validator(mode="after")
    def _fits_its_mode(self) -> Self:
        if self.mode == "canary" and not self.guardrails:
            raise ValueError("a canary is decided by its guardrails; give at least one")
        if self.longest_days < self.min_days:
            raise ValueError(f"longest_days={self.longest_days:g} is below min_days={self.min_days:g}")
        if self.mode == "ab" and self.steps[0] == 100:
            raise ValueError("a split needs a step below 100, so that both versions answer")
        if self.maturity is not None and self.maturity >= timedelta(days=self.longest_days):
            raise ValueError(
                f"maturity={self.maturity} is not below longest_days={self.longest_days:g}: nothing counts"
            )
        if self.overrides and self.unit is None:
            raise ValueError("overrides name units; say with unit= which request field they are of")
        if self.overrides and self.mode == "shadow":
            raise ValueError("overrides choose who answers a tester, and in a shadow Production answers all of them")
        kinds = [guardrail.kind for guardrail in self.guardrails]
        if self.mode == "shadow" and "slow" in kinds and "guardrails" in self.model_fields_set:
            raise ValueError(
                "Guardrail.slow() times requests, and in a shadow the candidate answers none; give guardrails without "
                "it, e.g. (Guardrail.errors(),), or another mode"
            )
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"guardrails are of the kinds {', '.join(kinds)}; one of each kind at most")
        return self
