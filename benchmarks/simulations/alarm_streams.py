"""Streams of a model's rows with known change points or none, on which alarms are compared."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

Array = NDArray[np.float64]
DATA = Path(__file__).parents[3] / "shared" / "data"
_CONCEPTS = ("sine_0123", "sea_0123", "mixed_0101", "stagger_0120")
_TRAINED, _REFERENCE, _WINDOW = 3_000, 3_000, 100
_LEAGUES = ("E0", "SP1", "D1", "I1", "F1")


@dataclass(frozen=True, eq=False)
class Rows:
    """Inputs [rows, columns], binary labels, and the model's probability of class 1."""

    x: Array
    y: Array
    p: Array


@dataclass(frozen=True, eq=False)
class Stream:
    """Reference rows, then monitored rows in order, in windows of `window` rows.

    `change` is the first monitored row that differs, None where nothing was changed.
    """

    name: str
    reference: Rows
    monitored: Rows
    window: int
    change: int | None

    @property
    def windows(self) -> int:
        return len(self.monitored.y) // self.window

    def save(self, folder: Path) -> None:
        sides = {"reference": self.reference, "monitored": self.monitored}
        arrays = {f"{side}_{part}": getattr(rows, part) for side, rows in sides.items() for part in ("x", "y", "p")}
        np.savez(
            folder / f"{self.name}.npz", window=self.window, change=-1 if self.change is None else self.change, **arrays
        )

    @classmethod
    def load(cls, path: Path) -> Stream:
        """The stream that `save` wrote."""
        with np.load(path) as stored:
            sides = [
                Rows(*(stored[f"{side}_{part}"] for part in ("x", "y", "p"))) for side in ("reference", "monitored")
            ]
            change = int(stored["change"])
            return cls(path.stem, sides[0], sides[1], int(stored["window"]), None if change < 0 else change)


def streams(*, segments: int) -> Iterator[Stream]:
    """All streams; `segments` is the number of changes of each labelled stream that are used, of 3."""
    for kind, gap in (("abrupto", 0), ("gradual", 500)):
        for concept in _CONCEPTS:
            yield from _labelled(f"{concept}_{kind}", gap, segments)
    for seed in range(segments):
        yield autoregression(seed)
    yield from _elec2()
    yield _football()


def _labelled(name: str, gap: int, segments: int) -> Iterator[Stream]:
    """One stream for each change. Of a gradual one the change is counted from 1,000 rows before its centre.

    The transition is a sigmoid of width 1,000: rows of the next concept are 2 % of all there, 12 % at 500 rows before
    the centre, and 50 % at the centre.
    """
    table = np.genfromtxt(DATA / "drift" / f"{name}.csv.gz", delimiter=",", skip_header=1)
    centres = [0, 10_000, 20_000, 30_000, len(table)] if not gap else [0, 9_500, 20_000, 30_500, len(table)]
    for part in range(segments):
        start = centres[part] + (gap if part else 0)
        end = centres[part + 2] - (gap if part < 2 else 0)
        rows = table[start:end]
        change = centres[part + 1] - 2 * gap - start - _TRAINED - _REFERENCE
        yield fitted_stream(f"{name}_{part + 1}", rows[:, :-1], rows[:, -1], (_TRAINED, _REFERENCE, _WINDOW), change)


def autoregression(seed: int) -> Stream:
    """Five inputs of autoregression 0.9, and labels that depend on them as ever: nothing changes."""
    rng = np.random.default_rng([31, seed])
    x = np.asarray(lfilter([1.0], [1.0, -0.9], rng.normal(size=(26_200, 5)), axis=0))[200:]
    y = (rng.random(len(x)) < expit(x @ np.array([0.6, -0.4, 0.3, 0.0, 0.0]))).astype(float)
    return fitted_stream(f"ar1_{seed}", x, y, (_TRAINED, _REFERENCE, _WINDOW), None)


def _elec2() -> Iterator[Stream]:
    """Untouched, then with 30 % of labels flipped, and with a demand in another unit, from the 150th monitored day on.

    Before row 17,760 the columns of Victoria and the transfer are constant: those rows are left out.
    """
    path = DATA / "drift" / "elec2.csv.gz"
    x = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(2, 3, 4, 5, 6, 7))[17_760:]
    y = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=8, dtype=str)[17_760:] == "UP"
    sizes, change = (4_320, 7_200, 48), 150 * 48
    yield fitted_stream("elec2_untouched", x, y.astype(float), sizes, None)
    first = sizes[0] + sizes[1] + change
    flipped = np.where((np.random.default_rng(5).random(len(y)) < 0.3) & (np.arange(len(y)) >= first), ~y, y)
    yield fitted_stream("elec2_flipped", x, flipped.astype(float), sizes, change)
    units = x.copy()
    units[first:, 2] *= 1.5
    yield fitted_stream("elec2_unit", units, y.astype(float), sizes, change)


def _football() -> Stream:
    """Home wins of five leagues by date, from the odds; no change is injected."""
    matches = []
    for league in _LEAGUES:
        for path in sorted((DATA / "football").glob(f"{league}_*.csv")):
            with path.open(encoding="utf-8-sig") as file:
                matches += [_match(row) for row in csv.DictReader(file) if row.get("B365H") and row.get("FTR")]
    table = np.array(sorted(matches))
    return fitted_stream("football", table[:, 1:4], table[:, 4], (6_000, 6_000, 100), None)


def _match(row: dict[str, str]) -> tuple[float, ...]:
    day, month, year = (int(part) for part in row["Date"].split("/"))
    number = date(year if year > 99 else 2000 + year, month, day).toordinal()
    odds = np.array([float(row[f"B365{side}"]) for side in "HDA"])
    return (float(number), *(1 / odds / (1 / odds).sum()).tolist(), float(row["FTR"] == "H"))


def fitted_stream(name: str, x: Array, y: Array, sizes: tuple[int, int, int], change: int | None) -> Stream:
    trained, reference, window = sizes
    model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=8, random_state=0).fit(x[:trained], y[:trained])
    every = Rows(x, y, np.clip(model.predict_proba(x)[:, 1], 0.01, 0.99))
    first = trained + reference
    monitored = _part(every, first, first + (len(x) - first) // window * window)
    return Stream(name, _part(every, trained, first), monitored, window, change)


def _part(rows: Rows, start: int, end: int) -> Rows:
    return replace(rows, x=rows.x[start:end], y=rows.y[start:end], p=rows.p[start:end])
