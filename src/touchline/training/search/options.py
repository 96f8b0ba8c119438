"""Options that change a training's duration and reports, never its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from touchline.training.search.workers import Workers, open_local


@dataclass(frozen=True)
class Progress:
    """The present step of a training, and the share of the work that is done."""

    message: str
    share: float


def ignore_progress(_: Progress) -> None:
    """The default: nobody listens."""


@dataclass(frozen=True)
class TrainingOptions:
    """The progress callback, the folder of the searches (None: they are not stored), and the workers of the fits.

    A stored search goes on after a stop, and the next one begins with the best settings of the last. Without
    `has_diagnostics` the result has no tables, curves and attributions (SHAP), and its card is not written: for the
    many trainings of a rehearsal.
    """

    on_progress: Callable[[Progress], None] = ignore_progress
    studies: Path | None = None
    workers: Workers = field(default_factory=open_local)
    has_diagnostics: bool = True
