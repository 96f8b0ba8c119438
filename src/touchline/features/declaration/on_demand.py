"""`OnDemand`: model columns computed from other model columns, over many rows offline and over few online.

Serving imports this file: NumPy and Pydantic only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from touchline.errors import InvalidView
from touchline.features.declaration.code_versions import code_version, short_hash


class Transform(Protocol):
    """A transform that can run: `OnDemand`, or the copy that a release carries."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]: ...


class OnDemand(BaseModel):
    """Model columns computed from other model columns, by the same NumPy code offline and online."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    inputs: tuple[str, ...] = Field(min_length=1)
    function: Callable[..., Any]
    description: str = ""

    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        computed: Mapping[str, NDArray[Any]] = self.function(columns)
        return computed

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the columns it adds, found by running it on no rows."""
        return output_names(self)

    @cached_property
    def version(self) -> str:
        return short_hash([self.name, code_version(self.name, self.function), self.inputs])


def on_demand(*, inputs: Sequence[str]) -> Callable[[Callable[..., Any]], OnDemand]:
    """Declare columns computed from other model columns when a row is read."""

    def declare(function: Callable[..., Any]) -> OnDemand:
        return OnDemand(
            name=function.__name__, inputs=tuple(inputs), function=function, description=function.__doc__ or ""
        )

    return declare


def output_names(transform: Transform) -> tuple[str, ...]:
    """The columns a transform adds."""
    empty = {name: np.zeros(0, dtype=np.float64) for name in transform.inputs}
    with np.errstate(all="ignore"):
        return tuple(transform(empty))


def apply_transforms(
    transforms: Sequence[Transform], columns: Mapping[str, NDArray[Any]], count: int
) -> dict[str, NDArray[np.float64]]:
    """The columns the transforms add, in order; each sees the model columns and what earlier ones added.

    Numbers come as float64 with NaN for null, categories as objects with None. An overflow or a division by
    zero gives NaN or infinity, as in NumPy, and never an error.
    """
    available = dict(columns)
    added: dict[str, NDArray[np.float64]] = {}
    for transform in transforms:
        missing = [name for name in transform.inputs if name not in available]
        if missing:
            raise InvalidView(
                transform.name, f"takes {missing[0]!r}, which is no model column", f"There are {', '.join(available)}."
            )
        with np.errstate(all="ignore"):
            computed = transform({name: available[name] for name in transform.inputs})
        for name, values in computed.items():
            added[name] = available[name] = _as_numbers(transform.name, name, values, count)
    return added


def _as_numbers(transform: str, name: str, values: Any, count: int) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (count,):
        raise InvalidView(
            transform, f"returns {name!r} of shape {numbers.shape} for {count} rows", "Return one number a row."
        )
    return numbers
