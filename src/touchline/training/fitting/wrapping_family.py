"""What families that wrap another one have in common: settings and layout are those of the inner family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from touchline.training.estimators.base import Family, FitRequest, Fitted, Kind, Params

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class WrappingFamily(ABC):
    """A family of numbers that fits another one on changed labels. `prefix` begins its name."""

    inner: Family
    prefix: ClassVar[str]

    @property
    def name(self) -> str:
        return f"{self.prefix}{self.inner.name}"

    @property
    def layout(self) -> Literal["dense", "trees"]:
        return self.inner.layout

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({"regression"})

    def defaults(self, kind: Kind) -> Params:
        return self.inner.defaults(kind)

    def suggest(self, trial: BaseTrial, kind: Kind) -> Params:
        return self.inner.suggest(trial, kind)

    def has_chance(self, params: Params) -> bool:
        """As the inner family says."""
        asked = getattr(self.inner, "has_chance", None)
        return asked is None or bool(asked(params))

    @abstractmethod
    def fit(self, request: FitRequest) -> Fitted: ...

    @abstractmethod
    def restore(self, folder: Path) -> Fitted: ...
