"""A recipe: all that decides how a model is made from rows, as a JSON record that can be followed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from touchline.errors import ModelMismatch
from touchline.training.calibration_methods import CALIBRATION_METHODS, CalibrationMethod
from touchline.training.data.rows import LabelledRows
from touchline.training.estimators.base import ParamValue


@dataclass(frozen=True)
class Recipe:
    """The settings to fit one candidate. `columns` are its model columns, in order.

    `most_columns` of these are used where it is given, chosen in each fit. With `is_recent` each fit also chooses how
    far back it learns; a blend learns from one stretch. A blend has `members`, each with a weight, and no settings of
    its own.
    """

    candidate: str
    family: str
    params: Mapping[str, ParamValue]
    columns: tuple[str, ...]
    seed: int
    class_weight: str | None = None
    smote: bool = False
    calibration: CalibrationMethod = "none"
    threshold: float = 0.5
    threads: int = 1
    dropped: tuple[str, ...] = ()
    members: tuple[Recipe, ...] = ()
    weights: tuple[float, ...] = ()
    most_columns: int | None = None
    is_recent: bool = False

    @property
    def looks_back(self) -> bool:
        """Whether its fits choose how far back they learn; those of a blend where one of its members does."""
        return self.is_recent or any(member.is_recent for member in self.members)

    def on_all_rows(self) -> Recipe:
        """The same recipe, which learns from all rows that it is given."""
        return replace(self, is_recent=False, members=tuple(member.on_all_rows() for member in self.members))

    def to_json(self) -> dict[str, Any]:
        return {
            "candidate": self.candidate,
            "family": self.family,
            "params": dict(self.params),
            "columns": list(self.columns),
            "seed": self.seed,
            "class_weight": self.class_weight,
            "smote": self.smote,
            "calibration": self.calibration,
            "threshold": self.threshold,
            "threads": self.threads,
            "dropped": list(self.dropped),
            "members": [member.to_json() for member in self.members],
            "weights": list(self.weights),
            "most_columns": self.most_columns,
            "is_recent": self.is_recent,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Recipe:
        fields = dict(record)
        fields["columns"] = tuple(record["columns"])
        fields["dropped"] = tuple(record.get("dropped", ()))
        fields["members"] = tuple(cls.from_json(member) for member in record.get("members", ()))
        fields["weights"] = tuple(record.get("weights", ()))
        fields["calibration"] = next(method for method in CALIBRATION_METHODS if method == record["calibration"])
        return cls(**fields)

    def select(self, rows: LabelledRows) -> LabelledRows:
        """The rows with the recipe's columns alone, in its order; `ModelMismatch` names those that lack."""
        where = {column.name: place for place, column in enumerate(rows.columns)}
        missing = [name for name in self.columns if name not in where]
        if missing:
            raise ModelMismatch(missing)
        return rows.with_columns([where[name] for name in self.columns])
