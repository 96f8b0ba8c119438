"""The result of one check of `touchline doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CheckResult:
    """The result of one check: whether it is well, and what is there, with the next step where it is not."""

    mark: Literal["ok", "note", "wrong"]
    what: str
    actual: str
