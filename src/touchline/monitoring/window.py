"""One window of what a release was asked and answered."""

from __future__ import annotations

from dataclasses import dataclass

from touchline.statistics.samples import FloatArray


@dataclass(frozen=True)
class Window:
    """Which rows were judged: prediction ids after `after` up to and including `until`."""

    after: str
    until: str

    def follows(self, earlier: Window) -> bool:
        """The two share no row and this one is later."""
        return earlier.until <= self.after


@dataclass(frozen=True)
class CurrentRows:
    """Logged answers of one release in time order, one per example (the last).

    `matrix` is ordered as the profile's columns. `clusters` is None where the reference has none. `repeats` counts
    rows left out because the same example was asked again, `left_out` the oldest rows above the limit.
    """

    matrix: FloatArray
    window: Window
    clusters: tuple[str, ...] | None = None
    repeats: int = 0
    left_out: int = 0

    @property
    def answers(self) -> int:
        """Everything logged in the window."""
        return len(self.matrix) + self.repeats + self.left_out
