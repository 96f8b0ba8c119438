"""The current window: the requests and answers of a release that no drift check has seen yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from touchline.errors import ProfileMismatch
from touchline.predictions import PredictionRecords, ScoredExample
from touchline.statistics import Profile
from touchline.statistics.samples import FloatArray
from touchline.storage.ulids import first_ulid_letters

# A check on more rows finds no more than on these; the newest are taken.
MAX_ROWS = 50_000
# Every server writes its answers within about a second of giving them, so a window that ends here is complete.
_WRITTEN_BY = timedelta(seconds=5)


@dataclass(frozen=True)
class Window:
    """The rows of a check: prediction ids after `after` up to and including `until`."""

    after: str
    until: str

    def follows(self, earlier: Window) -> bool:
        """True if the two share no row and this one is later."""
        return earlier.until <= self.after


@dataclass(frozen=True)
class CurrentRows:
    """Logged answers of one release in time order, one for each example (the last).

    `matrix` has the profile's columns. `clusters` is None where the reference has none. `repeats` counts rows left out
    because a later answer is about the same example, `left_out` the oldest rows above the limit.
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


def read_current(
    records: PredictionRecords, release_id: str, profile: Profile, *, after: str = "", wall: datetime
) -> CurrentRows:
    """Read the answers with a prediction id above `after`, up to those that every server has written by `wall`.

    Where the reference has clusters and an answer names none, the day of its cutoff (UTC) is its cluster.
    """
    return read_window(records, release_id, profile, Window(after, first_ulid_letters(wall - _WRITTEN_BY)))


def read_newest(
    records: PredictionRecords, release_id: str, profile: Profile, window: Window, *, most: int
) -> FloatArray:
    """The newest answers of a window in the profile's columns, one for each example (the last)."""
    answers = records.newest_of_release(release_id, after=window.after, until=window.until, limit=most)
    last_of_example = {answer.example_key: answer for answer in answers}
    return _matrix(sorted(last_of_example.values(), key=lambda answer: answer.prediction_id), profile, release_id)


def read_window(records: PredictionRecords, release_id: str, profile: Profile, window: Window) -> CurrentRows:
    """Read the answers of a window; the window of the result ends with the last answer that is there."""
    answers, total = records.of_release(release_id, after=window.after, until=window.until, limit=MAX_ROWS)
    last_of_example = {answer.example_key: answer for answer in answers}
    rows = sorted(last_of_example.values(), key=lambda answer: answer.prediction_id)
    is_clustered = profile.clusters < profile.rows
    return CurrentRows(
        matrix=_matrix(rows, profile, release_id),
        clusters=tuple(row.cluster or f"{row.cutoff:%Y-%m-%d}" for row in rows) if is_clustered else None,
        window=Window(window.after, answers[-1].prediction_id if answers else window.after),
        repeats=len(answers) - len(rows),
        left_out=total - len(answers),
    )


def _matrix(rows: Sequence[ScoredExample], profile: Profile, release_id: str) -> FloatArray:
    width = len(profile.features)
    if not rows:
        return np.empty((0, len(profile.columns)))
    widths = {len(row.numbers) for row in rows}
    if widths != {width}:
        raise ProfileMismatch(release_id, f"vectors of {sorted(widths)} numbers", f"{width} features")
    names = [column.name for column in profile.outputs]
    vectors = np.frombuffer(b"".join(row.vector for row in rows), dtype="<f8").reshape(len(rows), width)
    outputs = np.array([_outputs(row.output, names, release_id) for row in rows]).reshape(len(rows), -1)
    return np.hstack([vectors, outputs])


def _outputs(output: Mapping[str, Any], names: Sequence[str], release_id: str) -> list[float]:
    """The logged output under the profile's names: `value`, or `p_<class>` for each class."""
    values = {f"p_{name}": probability for name, probability in output.get("probabilities", {}).items()}
    if "value" in output:
        values["value"] = output["value"]
    if any(name not in values for name in names):
        raise ProfileMismatch(release_id, f"outputs {sorted(values)}", f"outputs {sorted(names)}")
    return [float(values[name]) for name in names]
