"""A backtest's log loss minus that of each declared baseline on the same examples; an implausible gain is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LEAST = 1e-15


@dataclass(frozen=True)
class BaselineComparison:
    """The mean difference of log losses over the rows that have both, and its standard error over clusters.

    `leak_margin` is the largest gain over the baseline that is plausible.
    """

    baseline: str
    rows: int
    difference: float
    standard_error: float
    leak_margin: float | None = None

    @property
    def is_suspected_leak(self) -> bool:
        return self.leak_margin is not None and self.difference < -self.leak_margin

    def describe(self) -> str:
        """One line of a report; a suspected leak is said in it.

        >>> print(BaselineComparison("market", 500, -0.004, 0.002, leak_margin=0.002).describe())
        log_loss minus market -0.0040 ± 0.0020 on 500 rows
        SUSPECTED LEAK: better than market by 0.0040, more than 0.002. Take it for a leak until it is shown which input
        was not known at the cutoff, or that each was: check the newest columns and their event_timestamp first.
        """
        line = (
            f"log_loss minus {self.baseline} {self.difference:+.4f} ± {self.standard_error:.4f} on {self.rows:,} rows"
        )
        if not self.is_suspected_leak:
            return line
        return (
            f"{line}\nSUSPECTED LEAK: better than {self.baseline} by {-self.difference:.4f}, more than "
            f"{self.leak_margin:g}. Take it for a leak until it is shown which input\nwas not known at the cutoff, or "
            "that each was: check the newest columns and their event_timestamp first."
        )

    def as_record(self) -> dict[str, object]:
        """The comparison in a JSON document."""
        return {
            "baseline": self.baseline,
            "rows": self.rows,
            "difference": self.difference,
            "standard_error": self.standard_error,
            "is_suspected_leak": self.is_suspected_leak,
        }


def compare_with_baselines(
    predicted: pl.DataFrame,
    examples: pl.DataFrame,
    *,
    classes: tuple[str, ...],
    baselines: Mapping[str, tuple[str, ...]],
    leak_margins: Mapping[str, float],
) -> tuple[BaselineComparison, ...]:
    """A comparison with each baseline that has values for some labelled rows.

    `predicted` has example_id, label and the probabilities of the classes, of two classes the second's. `examples` has
    the baselines' columns, and the clusters that stand for what happens together; without them each row is its own.
    """
    columns = {name for names in baselines.values() for name in names}
    shown = examples.select(
        pl.col("example_id").cast(pl.String),
        *sorted(columns & set(examples.columns)),
        cluster=pl.col("cluster" if "cluster" in examples.columns else "example_id").cast(pl.String),
    )
    rows = predicted.filter(pl.col("label").is_in(list(classes))).join(shown, on="example_id", how="left")
    own = _losses(rows, [*classes[-1:]] if len(classes) == 2 else [*classes], classes)
    comparisons = []
    for name, names in baselines.items():
        if not set(names) <= set(rows.columns):
            continue
        differences = own - _losses(rows, [*names], classes)
        has_both = np.isfinite(differences)
        if has_both.any():
            clusters = rows["cluster"].fill_null("").to_numpy()[has_both]
            mean, error = _mean_over_clusters(differences[has_both], clusters)
            comparisons.append(BaselineComparison(name, int(has_both.sum()), mean, error, leak_margins.get(name)))
    return tuple(comparisons)


def _losses(rows: pl.DataFrame, names: list[str], classes: tuple[str, ...]) -> Array:
    """The log loss of each row; NaN where a probability is missing."""
    values = np.stack([rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names], axis=1)
    if len(names) == 1:
        values = np.concatenate([1 - values, values], axis=1)
    place = rows["label"].replace_strict({name: at for at, name in enumerate(classes)}, return_dtype=pl.Int64)
    given = values[np.arange(len(values)), place.to_numpy()]
    losses = -np.log(np.clip(given, _LEAST, 1.0))
    return np.asarray(np.where(np.isfinite(values).all(axis=1), losses, np.nan))


def _mean_over_clusters(values: Array, clusters: NDArray[np.object_]) -> tuple[float, float]:
    mean = float(values.mean())
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.bincount(codes, values - mean)
    return mean, float(np.sqrt((sums**2).sum()) / len(values))
