"""One table of leads: its source, its examples, and what a model may see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from touchline import Costs, Gate, Source, Training, classification
from touchline.features import Examples
from touchline.training import Task


@dataclass(frozen=True)
class LeadTable:
    """The declared parts that differ between tables; `has_time` says whether the split may follow time."""

    source: Source
    examples: Examples
    classes: tuple[str, str]
    inputs: Sequence[str]
    clock: datetime
    has_time: bool
    options: dict[str, object] = field(default_factory=dict)
    gates: Sequence[Gate] = (Gate("pr_auc", at_least=0.10), Gate.improves("log_loss", confidence=0.95))

    def task(self) -> Task:
        """Whether a lead buys; the second class is the buyer."""
        return classification(examples=self.examples, classes=list(self.classes), inputs=list(self.inputs))

    def training(self, *, is_random: bool) -> Training:
        """Candidates by default; by time wherever the table has one, unless a random split is asked for."""
        split = "time" if self.has_time and not is_random else "stratified"
        costs = Costs(false_positive=1, false_negative=5)
        return Training.model_validate({"split": split, "smote": True, "threshold": costs, **self.options})
