"""On-demand transforms of the tests of this room, and what they call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import scale

Columns = Mapping[str, NDArray[Any]]


def gap(columns: Columns) -> Columns:
    """The scaled difference of two columns."""
    return {"gap": scale.scaled(columns["signal"] - columns["noise"])}


def drift(signal: NDArray[Any], cutoff: NDArray[Any], day: float = 86_400.0) -> NDArray[Any]:
    """A column that depends on the instant of the prediction; its inputs are arguments."""
    return signal * np.sin(cutoff / day)
