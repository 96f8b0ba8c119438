"""The verdicts of gates with their numbers, as promotions return them and the journal stores them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict. `number` is what was found; `low` and `high` bound it where it is a comparison.

    A comparison is of `rows` test rows; `unpaired` others have no value of the reference. A gate that could
    measure nothing (no comparison is possible, too few rows) says no with `is_comparable` False, and a person may
    overrule it.
    """

    name: str
    kind: str
    passed: bool
    message: str
    number: float | None = None
    allowed: float | None = None
    low: float | None = None
    high: float | None = None
    look: int | None = None
    clusters: int | None = None
    needed: int | None = None
    rows: int | None = None
    unpaired: int | None = None
    is_comparable: bool = True


@dataclass(frozen=True)
class GateReport:
    """All gates of one promotion. `is_refresh`: the version is Production's recipe on newer data."""

    results: tuple[GateResult, ...]
    is_refresh: bool = False

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def can_be_overruled(self) -> bool:
        """Whether only gates said no that measured nothing; a measured no is never overruled."""
        return all(result.passed or not result.is_comparable for result in self.results)

    @property
    def failures(self) -> tuple[str, ...]:
        return tuple(result.message for result in self.results if not result.passed)

    def to_json(self) -> dict[str, Any]:
        gates = [asdict(result) for result in self.results]
        return {"passed": self.passed, "is_refresh": self.is_refresh, "gates": gates}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> GateReport:
        return cls(tuple(GateResult(**gate) for gate in document["gates"]), document["is_refresh"])
