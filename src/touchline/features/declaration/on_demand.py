"""`OnDemand`: model columns computed from other model columns, over many rows offline and over few online.

Serving imports this file: NumPy and Pydantic only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Protocol, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from touchline.errors import InvalidView
from touchline.features.declaration.code_versions import code_version, short_hash

CUTOFF: Final = "cutoff"
"""The input that every transform may take beside the model columns: the instant of the prediction, in seconds since
1970 as all instants that transforms see. No model column has this name."""
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Transform(Protocol):
    """A transform that can run: `OnDemand`, or the copy that a release carries."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]: ...


class OnDemand(BaseModel):
    """Model columns computed from other model columns, by the same NumPy code offline and online.

    The function takes one mapping from the names of the inputs to their arrays, or an argument for each of them. It
    returns a mapping from names to arrays, or the array of one column, which then has the name of the function.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    inputs: tuple[str, ...] = Field(min_length=1)
    function: Callable[..., Any]
    description: str = ""
    has_named_arguments: bool = False

    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        return compute_columns(self.name, self.function, columns, has_named_arguments=self.has_named_arguments)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the columns it adds, found by running it on no rows."""
        return output_names(self)

    @cached_property
    def version(self) -> str:
        parts: list[object] = [self.name, code_version(self.name, self.function), self.inputs]
        return short_hash([*parts, "named arguments"] if self.has_named_arguments else parts)


@overload
def on_demand(function: Callable[..., Any], /) -> OnDemand: ...
@overload
def on_demand(*, inputs: Sequence[str] | None = None) -> Callable[[Callable[..., Any]], OnDemand]: ...
def on_demand(
    function: Callable[..., Any] | None = None, /, *, inputs: Sequence[str] | None = None
) -> OnDemand | Callable[[Callable[..., Any]], OnDemand]:
    """Declare columns computed from other model columns, and from the cutoff, when a row is read.

    Without `inputs` the arguments of the function name them; an argument with a default is a constant. With `inputs`
    the function takes one mapping from these names to arrays, or arguments of the same names.

    >>> rest = on_demand(lambda home_last_match, cutoff: (cutoff - home_last_match) / 86_400)
    >>> rest.inputs
    ('home_last_match', 'cutoff')
    """

    def declare(function: Callable[..., Any]) -> OnDemand:
        name = function.__name__
        arguments = _required_arguments(name, function, is_needed=inputs is None)
        has_named_arguments = inputs is None or len(arguments) > 1
        if inputs is not None and has_named_arguments and {*arguments} != {*inputs}:
            raise InvalidView(
                name,
                f"has the inputs {', '.join(inputs)}, but its function takes {', '.join(arguments)}",
                "Leave `inputs` out: the arguments name the inputs.",
            )
        return OnDemand(
            name=name,
            inputs=tuple(arguments if inputs is None else inputs),
            function=function,
            description=function.__doc__ or "",
            has_named_arguments=has_named_arguments,
        )

    return declare if function is None else declare(function)


def _required_arguments(name: str, function: Callable[..., Any], *, is_needed: bool) -> list[str]:
    """The names of the arguments without a default; `InvalidView` where they are needed and do not name inputs."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a function of a library without a signature
        parameters = []
    required = [parameter for parameter in parameters if parameter.default is inspect.Parameter.empty]
    unnamed = [str(parameter) for parameter in required if parameter.kind not in _BY_NAME]
    if is_needed and (unnamed or not required):
        what = f"takes {unnamed[0]!r}" if unnamed else "takes no arguments"
        raise InvalidView(name, f"{what}, which names no input", "Give it one argument for each input, or `inputs=`.")
    return [parameter.name for parameter in required if parameter.kind in _BY_NAME]


def compute_columns(
    name: str, function: Callable[..., Any], columns: Mapping[str, NDArray[Any]], *, has_named_arguments: bool
) -> Mapping[str, NDArray[Any]]:
    """The columns that a transform's function computes; a single array is the column that has the transform's name."""
    computed = function(**columns) if has_named_arguments else function(columns)
    return computed if isinstance(computed, Mapping) else {name: computed}


def output_names(transform: Transform) -> tuple[str, ...]:
    """The columns a transform adds."""
    empty = {name: np.zeros(0, dtype=np.float64) for name in transform.inputs}
    with np.errstate(all="ignore"):
        return tuple(transform(empty))


def apply_transforms(
    transforms: Sequence[Transform], columns: Mapping[str, NDArray[Any]], count: int
) -> dict[str, NDArray[np.float64]]:
    """The columns the transforms add, in order; each sees the model columns and what earlier ones added.

    `columns` also holds the cutoffs of the rows, under `CUTOFF`, where a transform takes them.
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
