"""On-demand transforms leave their project with all they need, or are refused when a version is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.registry.builders import gap
from touchline.errors import NotPortable
from touchline.features import on_demand
from touchline.registry.release.transforms import portable_source

OFFSET = np.float64(1.5)
Columns = Mapping[str, NDArray[Any]]


@on_demand(inputs=["a"])
def shifted(columns: Columns) -> Columns:
    return {"shifted": np.log1p(columns["a"]) + OFFSET}


@on_demand(inputs=["a"])
def framed(columns: Columns) -> Columns:
    return {"framed": pl.Series(columns["a"]).to_numpy()}


def test_constants_and_numpy_come_along() -> None:
    names: dict[str, Any] = {}
    exec(portable_source([shifted, gap]), names)
    a = np.array([0.0, 1.0])
    assert np.array_equal(names["shifted"]({"a": a})["shifted"], shifted({"a": a})["shifted"])
    assert names["gap"]({"signal": a, "noise": a})["gap"].tolist() == [0.0, 0.0]


def test_a_transform_that_needs_more_than_numpy_is_refused() -> None:
    with pytest.raises(NotPortable, match="'framed' needs 'polars'"):
        portable_source([framed])


def test_a_transform_that_reads_a_closed_over_variable_is_refused() -> None:
    factor = 2.0

    @on_demand(inputs=["a"])
    def times(columns: Columns) -> Columns:
        return {"times": columns["a"] * factor}

    with pytest.raises(NotPortable, match="reads a variable of an enclosing function"):
        portable_source([times])
