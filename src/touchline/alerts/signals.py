"""The signals that rules can name: states that are wrong or well, measured numbers, and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["warning", "critical"]
Unit = Literal["state", "event", "share", "seconds", "number"]
SEVERITIES: Final[tuple[Severity, ...]] = ("warning", "critical")


@dataclass(frozen=True)
class Signal:
    """One signal: its words in a title, its unit, the severity of a rule that names none; whether it is a metric."""

    words: str
    unit: Unit
    severity: Severity = "warning"
    is_metric: bool = False

    @property
    def is_measured(self) -> bool:
        """Whether a rule on it needs a limit."""
        return self.unit in ("share", "seconds", "number")


_METRICS = (
    *("accuracy", "balanced_accuracy", "brier", "ece", "f1", "log_loss", "mae", "mse"),
    *("pr_auc", "precision", "r2", "recall", "rmse", "roc_auc", "rps"),
)
SIGNALS: Final[dict[str, Signal]] = {
    "loss": Signal("loss", "state", "critical"),
    "estimated_loss": Signal("estimated loss", "state"),
    "drift": Signal("drift", "state"),
    "skew": Signal("training/serving skew", "state", "critical"),
    "stale_data": Signal("stale data", "state"),
    "stale_features": Signal("stale features", "state"),
    "training_failed": Signal("training failed", "state"),
    "daily_failed": Signal("day's work failed", "state"),
    "data_damage": Signal("damaged data", "state", "critical"),
    "error_rate": Signal("error rate", "share", "critical"),
    "feature_missing": Signal("missing features", "share"),
    "p50": Signal("median latency", "seconds"),
    "p95": Signal("latency p95", "seconds"),
    "p99": Signal("latency p99", "seconds"),
    "training_done": Signal("training done", "event"),
    "promotion": Signal("promotion", "event"),
    "rollback": Signal("rollback", "event"),
    "rollout_stopped": Signal("rollout stopped", "event"),
    "rollout_incident": Signal("release does not answer", "event", "critical"),
    "rollout_ended": Signal("rollout ended", "event"),
    **{name: Signal(name.replace("_", " "), "number", "critical", is_metric=True) for name in _METRICS},
}


def severity_rank(severity: Severity | None) -> int:
    """The order of severities; None, no severity yet, is below all."""
    return -1 if severity is None else SEVERITIES.index(severity)
