"""The rule of one rollout, frozen and hashed at its start."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final, Literal, Self

from touchline.rollout.routing import RoutingMode, Variant
from touchline.rollout.spec import Guardrail, Metric, SampleRatioAction
from touchline.statistics import HarmRule, WitnessRule

# Changes with the statistics that decide, so that a running rollout is not decided by others than it began with.
METHOD: Final = "two witnesses 3"
# The number of units at which the asymptotic witness is narrowest: outcomes, means of clusters, units of a split.
_TARGETS: Final = (400, 150, 1000)


@dataclass(frozen=True)
class Side:
    """One of the two versions of a rollout."""

    version: int
    release: str


@dataclass(frozen=True)
class RolloutRule:
    """All that a verdict rests on; a rollout ends where one of these would change.

    `candidate` shall take over from `reference`. In a holdout it is the predecessor, which predicts beside the refresh
    that has taken over. A request without one of the `new_fields`, which the candidate needs and Production does not
    know, is not in the rollout. `counts_each`: past pairs of one cluster were uncorrelated, so each counts. Each
    of `restarts`, earlier rollouts of the same two versions that have not decided, halves `alpha`; the share
    `reserved` of it is kept for the end. `maturity_seconds` is the age of a prediction that counts. Of numbers (no
    `classes`) outcomes count up to `bounds`, and `spread` is the standard deviation of Production's errors.
    """

    mode: RoutingMode
    candidate: Side
    reference: Side
    classes: tuple[str, ...]
    metric: Metric = "log_loss"
    unit: str | None = None
    has_clusters: bool = False
    steps: tuple[int, ...] = (100,)
    needs: Literal["better", "not_worse"] = "better"
    needs_approval: bool = False
    new_fields: tuple[str, ...] = ()
    counts_each: bool = False
    alpha: float = 0.05
    restarts: int = 0
    reserved: float = 0.2
    margin: float = 0.01
    bounds: tuple[float, float] = (0.0, 1.0)
    spread: float = 1.0
    min_days: float = 7.0
    longest_days: float = 90.0
    maturity_seconds: float = 0.0
    guardrails: tuple[Guardrail, ...] = ()
    on_sample_ratio: SampleRatioAction = "hold"
    overrides: Mapping[str, Variant] = field(default_factory=dict)
    method: str = METHOD

    @property
    def restarts_in_words(self) -> str | None:
        """What earlier rollouts of the same two versions cost this one; None without any."""
        if not self.restarts or not self.counts_outcomes:
            return None
        times = "an earlier rollout" if self.restarts == 1 else f"{self.restarts} earlier rollouts"
        return (
            f"alpha is {self.alpha / 2**self.restarts:g} instead of {self.alpha:g}: {times} of these two versions "
            "ended undecided, and each halves it"
        )

    @property
    def witnesses(self) -> WitnessRule:
        """The rule of the sequential test; the reserved share of alpha decides at the end."""
        alpha = self.alpha / 2**self.restarts
        outcomes, clusters, units = _TARGETS
        target = units if self.is_split else clusters if self.counts_clusters else outcomes
        return WitnessRule(alpha=alpha, margin=self.margin, target=target, reserved=self.reserved)

    @property
    def harm(self) -> HarmRule:
        """The rule of a holdout: whether the version that is live is worse than its predecessor."""
        return HarmRule(alpha=self.alpha)

    @property
    def counts_clusters(self) -> bool:
        """Whether the mean of a cluster counts as one unit."""
        return self.has_clusters and not self.counts_each

    @property
    def unit_name(self) -> str:
        """The independent things that are counted, in words."""
        if self.is_split:
            return "units"
        return "clusters" if self.counts_clusters else "outcomes"

    def counted(self, units: int) -> str:
        """So many of the things that are counted, in words."""
        return f"{units} {self.unit_name.removesuffix('s') if units == 1 else self.unit_name}"

    @property
    def is_split(self) -> bool:
        return self.mode in ("ab", "canary")

    @property
    def counts_outcomes(self) -> bool:
        """Whether outcomes decide; guardrails alone decide a canary."""
        return self.mode != "canary"

    @property
    def hash(self) -> str:
        """The hash of everything in the rule.

        >>> rule = RolloutRule("shadow", Side(2, "b"), Side(1, "a"), ("no", "yes"))
        >>> len(rule.hash)
        16
        """
        text = json.dumps(self.to_json(), sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        document = asdict(self)
        document["guardrails"] = [guardrail.model_dump() for guardrail in self.guardrails]
        document["overrides"] = dict(self.overrides)
        return json.loads(json.dumps(document))  # type: ignore[no-any-return]  # tuples as lists

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The rule that `to_json` wrote."""
        changed = {
            "candidate": Side(**stored["candidate"]),
            "reference": Side(**stored["reference"]),
            "classes": tuple(stored["classes"]),
            "steps": tuple(stored["steps"]),
            "new_fields": tuple(stored["new_fields"]),
            "bounds": tuple(stored["bounds"]),
            "guardrails": tuple(Guardrail(**guardrail) for guardrail in stored["guardrails"]),
        }
        return cls(**{**stored, **changed})

    def differences(self, other: RolloutRule) -> Sequence[str]:
        """The names of the parts that differ."""
        ours, theirs = self.to_json(), other.to_json()
        return [name for name in ours if ours[name] != theirs[name]]
