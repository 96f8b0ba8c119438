"""Where a training is done: nothing here changes what comes out, only how soon and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from touchline.training.search.workers import Workers, open_local


@dataclass(frozen=True)
class Progress:
    """How far a training is: what is being done, and the share that is done."""

    message: str
    share: float


def _nobody(_: Progress) -> None:
    return None


@dataclass(frozen=True)
class Workshop:
    """Whom a training tells, where its searches are kept (None: nowhere), and who does its fits.

    A search that is kept goes on after a stop, and the next one begins with the best settings of the last.
    """

    tell: Callable[[Progress], None] = _nobody
    studies: Path | None = None
    workers: Workers = field(default_factory=open_local)
