"""A look at a moving test window spends what its fresh rows bring."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import polars as pl
import pytest

from tests.registry.builders import NOW, a_frame
from touchline.registry import ModelVersion, Registry, read_version, record_look

pytestmark = pytest.mark.services
FRAME = a_frame(1000).select("example_id", "cutoff")


def a_version(registry: Registry, number: int, frame: pl.DataFrame) -> ModelVersion:
    """A version whose stored predictions are of these rows."""
    key, buffer = f"p/runs/{number}", BytesIO()
    frame.write_parquet(buffer)
    registry.objects.write(f"{key}/predictions.parquet", buffer.getvalue())
    return replace(read_version(registry, "p", 1), version=number, object_key=key)


def looks(registry: Registry, frames: list[pl.DataFrame]) -> list[tuple[int, float, float]]:
    versions = [a_version(registry, number, frame) for number, frame in enumerate(frames, start=10)]
    found = [record_look(registry, version, frame) for version, frame in zip(versions, frames, strict=True)]
    return [(look.number, look.alpha_share, look.fresh_share) for look in found]


def test_a_window_that_moves_by_a_tenth_brings_a_tenth_of_alpha_back(two: Registry) -> None:
    windows = [FRAME.slice(start, 200) for start in (0, 20, 40)]
    assert looks(two, windows) == [(1, 0.5, 1.0), (2, 0.3, 0.1), (3, 0.2, 0.1)]


def test_a_version_looks_once_and_other_versions_at_the_same_rows_share_the_rest(two: Registry) -> None:
    window = FRAME.head(200)
    assert looks(two, [window, window]) == [(1, 0.5, 1.0), (2, 0.25, 0.0)]
    assert record_look(two, a_version(two, 10, window), window).number == 1
    assert looks(two, [FRAME.tail(200)]) == [(1, 0.5, 1.0)]  # version 10 again: its look is on record


def test_rows_without_time_are_fresh_where_no_version_was_tested_on_them(two: Registry) -> None:
    timeless = FRAME.with_columns(cutoff=pl.lit(NOW))
    windows = [timeless.head(200), timeless.slice(100, 200), timeless.slice(50, 200)]
    assert looks(two, windows) == [(1, 0.5, 1.0), (2, 0.5, 0.5), (3, 0.25, 0.0)]


def test_where_the_record_of_a_look_is_gone_no_row_counts_as_fresh(two: Registry) -> None:
    timeless = FRAME.with_columns(cutoff=pl.lit(NOW))
    looks(two, [timeless.head(200)])
    two.objects.delete("p/runs/10/predictions.parquet")
    version = a_version(two, 11, timeless.tail(200))
    assert record_look(two, version, timeless.tail(200)).fresh_share == 0.0
