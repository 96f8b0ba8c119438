"""`Gate`: a rule that a version must pass before it is promoted."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

GateKind = Literal["absolute", "improves", "slice", "latency", "size", "approval"]

# Scores that are a mean over rows, so that two models can be compared row by row.
COMPARABLE = ("accuracy", "brier", "log_loss", "mae", "mse", "rmse", "rps")


class Gate(BaseModel):
    """One rule. `Gate("accuracy", at_least=0.52)` is a limit on a metric of the evaluation fit.

    >>> Gate("accuracy", at_least=0.52).describe()
    'accuracy at least 0.52'
    >>> Gate.improves("log_loss", confidence=0.95).describe()
    'log_loss improves on Production with 95 % confidence'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    kind: GateKind = "absolute"
    confidence: float | None = Field(None, gt=0.5, lt=1)
    over: str = Field("production", min_length=1)
    column: str | None = None
    min_rows: int = Field(30, ge=1)
    by: tuple[str, ...] = ()
    margin: float | None = Field(None, ge=0)
    difference: float = Field(0.05, gt=0)

    MARGIN: ClassVar[float] = 0.01

    def __init__(self, metric: str, /, **limits: object) -> None:
        super().__init__(metric=metric, **limits)

    @classmethod
    def improves(
        cls,
        metric: str,
        *,
        confidence: float = 0.95,
        over: str = "production",
        margin: float | None = None,
        difference: float = 0.05,
    ) -> Gate:
        """Better than Production on the same test rows, by more than chance explains.

        A refresh, Production's declaration and candidate on newer data, passes unless it is shown worse than Production
        as served by more than `margin`, in the unit of the loss (of `rmse`: mse). By default that is 0.01, for losses
        in the unit of the labels 2 % of Production's. Its predictions of the newest rows may differ from Production's
        by `difference` on average: in probability, or in standard deviations of the labels.

        Without a Production version, and with `over="baseline"`, better than the constant baseline; with the name of
        a baseline of the project's `Training`, better than that one on the rows that it has a value for.

        >>> Gate.improves("log_loss", over="market").describe()
        "log_loss improves on 'market' with 95 % confidence"
        """
        return cls(metric, kind="improves", confidence=confidence, over=over, margin=margin, difference=difference)

    @classmethod
    def calibration(cls, *, at_most: float) -> Gate:
        """The expected calibration error stays within a limit."""
        return cls("ece", at_most=at_most)

    @classmethod
    def slice(
        cls,
        metric: str,
        column: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        min_rows: int = 30,
    ) -> Gate:
        """The limit holds in every value of a slice column that has at least `min_rows` test rows."""
        return cls(metric, kind="slice", column=column, at_least=at_least, at_most=at_most, min_rows=min_rows)

    @classmethod
    def latency(cls, *, at_most_ms: float) -> Gate:
        """The median time of one prediction by the restored model, on this machine."""
        return cls("latency_ms", kind="latency", at_most=at_most_ms)

    @classmethod
    def size(cls, *, at_most_mb: float) -> Gate:
        """The model's files together (1 MB is 1,000,000 bytes)."""
        return cls("size_mb", kind="size", at_most=at_most_mb)

    @classmethod
    def approval(cls, *by: str) -> Gate:
        """Passes when a person has approved the version (`touchline models approve`): one of `by`, or anybody."""
        return cls("approval", kind="approval", by=by)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        limits = (self.at_least is not None) + (self.at_most is not None)
        if self.kind in ("absolute", "slice") and limits == 0:
            raise ValueError(f"gate {self.metric!r} has no limit; give at_least= or at_most=")
        if self.kind in ("improves", "approval") and limits:
            raise ValueError(f"gate {self.describe()!r} takes no limit")
        if self.kind == "improves" and self.metric not in COMPARABLE:
            raise ValueError(
                f"{self.metric!r} is no mean over rows, so two models cannot be compared row by row on it; "
                f"use one of {', '.join(COMPARABLE)}"
            )
        return self

    def describe(self) -> str:
        """The rule in words."""
        if self.kind == "approval":
            return f"approved by {' or '.join(self.by) or 'a person'}"
        if self.kind == "improves":
            than = {"production": "Production", "baseline": "the baseline"}.get(self.over, repr(self.over))
            return f"{self.metric} improves on {than} with {self.confidence or 0.95:.0%}".replace("%", " % confidence")
        limits = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        limits += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        where = f" in every {self.column}" if self.kind == "slice" else ""
        return f"{self.metric} {' and '.join(limits)}{where}"
