"""Probabilities of a model under other class shares than those it was calibrated for: Bayes' rule, NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchline.statistics import with_prior

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClassShares:
    """The shares of the classes that a model is calibrated for, and those that it predicts for, in order.

    >>> ClassShares((0.5, 0.5), (0.8, 0.2)).transform(np.array([[0.5, 0.5]])).round(2).tolist()
    [[0.8, 0.2]]
    """

    before: tuple[float, ...]
    now: tuple[float, ...]

    def transform(self, probabilities: Array) -> Array:
        """Probabilities [rows, classes] under the new shares."""
        return with_prior(probabilities, self.before, self.now)

    @property
    def log_ratios(self) -> Array:
        """What the new shares add to the log of each class's probability, before rows are normalised."""
        return np.asarray(np.log(self.now) - np.log(self.before))

    def followed_by(self, later: ClassShares) -> ClassShares:
        """Both corrections as one: the later one was measured on what this one predicts."""
        ratios = np.array(self.now) * np.array(later.now) / np.array(later.before)
        return ClassShares(self.before, tuple((ratios / ratios.sum()).tolist()))

    def to_json(self) -> dict[str, Any]:
        return {"before": list(self.before), "now": list(self.now)}

    @classmethod
    def from_json(cls, record: Mapping[str, Sequence[float]]) -> ClassShares:
        return cls(tuple(record["before"]), tuple(record["now"]))
