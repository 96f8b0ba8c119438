"""The interface of a family of estimators, and the input of a fit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from touchline.errors import BudgetExceeded

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

GROUP = "touchline.estimators"

Array = NDArray[np.float64]
Kind = Literal["binary", "multiclass", "regression"]
ParamValue = bool | int | float | str
Params = Mapping[str, ParamValue]

# Single precision, which trees are grown in, has only infinity beyond it.
LARGEST: Final = 3.4e38


@dataclass(frozen=True)
class Deadline:
    """The deadline of a candidate; families that fit in rounds check it between rounds."""

    at: float | None = None
    seconds: float | None = None

    @classmethod
    def within(cls, seconds: float | None) -> Deadline:
        return cls() if seconds is None else cls(time.monotonic() + seconds, seconds)

    def validate(self, who: str) -> None:
        """Raise `BudgetExceeded` when the time is up."""
        if self.at is not None and self.seconds is not None and time.monotonic() > self.at:
            raise BudgetExceeded(who, self.seconds)

    @property
    def left(self) -> float | None:
        """Seconds that remain, never below 0; None without a limit."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())


@dataclass(frozen=True)
class FitRows:
    """A prepared matrix with its labels: codes of classes, or numbers."""

    matrix: Array
    labels: NDArray[np.int64] | Array
    weights: Array | None = None


@dataclass(frozen=True)
class FitRequest:
    """All that decides a fit: the same request gives the same estimator, bit for bit where the library can.

    `names` are those of the matrix's columns where these are in the family's own layout, else there are none.
    """

    kind: Kind
    classes: int
    fit: FitRows
    validation: FitRows | None
    params: Params
    seed: int
    threads: int = 1
    categorical: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    deadline: Deadline = field(default_factory=Deadline)


@runtime_checkable
class Fitted(Protocol):
    """A fitted estimator. `settled` holds parameters that the fit itself found (rounds by early stopping)."""

    @property
    def settled(self) -> Params: ...

    def predict(self, matrix: Array) -> Array:
        """Probabilities [rows, classes], or values [rows, 1]."""

    def export(self, folder: Path) -> None:
        """Write native formats or arrays into an existing, empty folder."""


@runtime_checkable
class Family(Protocol):
    """A kind of estimator: its name, the layout of the matrix it wants, and the tasks it can learn."""

    @property
    def name(self) -> str: ...

    @property
    def layout(self) -> Literal["dense", "trees"]: ...

    @property
    def kinds(self) -> frozenset[Kind]: ...

    def defaults(self, kind: Kind) -> Params: ...

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:
        """A setting to try; every parameter it leaves out keeps its default."""

    def fit(self, request: FitRequest) -> Fitted: ...

    def restore(self, folder: Path) -> Fitted: ...
