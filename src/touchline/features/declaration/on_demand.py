"""On-demand transforms: the same NumPy code over many rows offline and over few online. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from touchline.errors import InvalidView


class Transform(Protocol):
    """What a transform needs to run: `OnDemand` fits, and so does what a release carries."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]: ...


def output_names(transform: Transform) -> tuple[str, ...]:
    """The columns a transform adds."""
    nothing = {name: np.zeros(0, dtype=np.float64) for name in transform.inputs}
    with np.errstate(all="ignore"):
        return tuple(transform(nothing))


def apply_transforms(
    transforms: Sequence[Transform], columns: Mapping[str, NDArray[Any]], count: int
) -> dict[str, NDArray[np.float64]]:
    """The columns the transforms add, in order; each sees the model columns and what earlier ones added.

    Numbers come as float64 with NaN for null, categories as objects with None. What overflows or divides by zero is
    NaN or infinite, as NumPy has it, and never an error.
    """
    seen = dict(columns)
    added: dict[str, NDArray[np.float64]] = {}
    for transform in transforms:
        missing = [name for name in transform.inputs if name not in seen]
        if missing:
            raise InvalidView(
                transform.name, f"takes {missing[0]!r}, which is no model column", f"There are {', '.join(seen)}."
            )
        with np.errstate(all="ignore"):
            computed = transform({name: seen[name] for name in transform.inputs})
        for name, values in computed.items():
            added[name] = seen[name] = _as_numbers(transform.name, name, values, count)
    return added


def _as_numbers(transform: str, name: str, values: Any, count: int) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (count,):
        raise InvalidView(
            transform, f"returns {name!r} of shape {numbers.shape} for {count} rows", "Return one number a row."
        )
    return numbers
