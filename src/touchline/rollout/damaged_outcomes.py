"""Outcomes that look damaged: labels of no class, values out of range, and labels that changed after they had come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Chance mistakes of people are fewer. More of them are seldom spread evenly over the classes, and the rest would be no
# fair sample: where one class alone is misspelt, the model that never expects it would win.
_COMMON_SHARE: Final = 0.05
_LEAST: Final = 5


@dataclass(frozen=True)
class DamagedOutcomes:
    """Counts among `outcomes` that are mature: of `no_label` (no class, no number), `out_of_range` and `relabelled`."""

    outcomes: int = 0
    no_label: int = 0
    out_of_range: int = 0
    relabelled: int = 0

    @property
    def fault(self) -> str | None:
        """Why outcomes cannot decide, in words; None where few are damaged."""
        whats = {
            "are no class or number that the model predicts": self.no_label,
            "lie out of the range that the rollout began with": self.out_of_range,
            "have another label now than the one that came first": self.relabelled,
        }
        common = [
            f"{count} {what}"
            for what, count in whats.items()
            if count >= _LEAST and count > _COMMON_SHARE * self.outcomes
        ]
        return f"of {self.outcomes} outcomes {', and '.join(common)}" if common else None
