"""A helper that a transform reaches through its module."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

SCALE = 2.0


def scaled(values: NDArray[Any]) -> NDArray[Any]:
    return values * SCALE
