"""The rows, windows and scores that all candidates of one training share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from touchline.training.data.rows import LabelledRows
from touchline.training.data.splits import FitWindow
from touchline.training.estimators.base import ParamValue
from touchline.training.fitting.recipe import Recipe
from touchline.training.spec import Training


@dataclass(frozen=True)
class SearchContext:
    """Every candidate fits on the same windows and is scored on the same rows."""

    training: Training
    rows: LabelledRows
    windows: tuple[FitWindow, ...]
    threads: int
    further_deals: tuple[tuple[FitWindow, ...], ...] = ()

    def fixed(self, recipe: Recipe) -> Mapping[str, ParamValue]:
        """The settings that the declaration fixes for a candidate, which no search may change."""
        for candidate in self.training.candidates_for(self.rows.kind):
            if candidate.name == recipe.candidate.split("+")[0]:
                return candidate.params
        return {}
