"""Families that wrap another one: on a curved target, and on the residuals of a linear regression.

The name of a wrapped family is a prefix and the name of the inner one. Its estimator lies in the folder `estimator` of
the wrapping one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from touchline.training.estimators.base import Family
from touchline.training.fitting import curved_target, linear_base
from touchline.training.fitting.curved_target import CurvedTargetFamily
from touchline.training.fitting.linear_base import LinearBaseFamily
from touchline.training.fitting.wrapping_family import WrappingFamily

_WRAPPERS: Final[Mapping[str, Callable[[Family], Family]]] = {
    curved_target.PREFIX: CurvedTargetFamily,
    linear_base.PREFIX: LinearBaseFamily,
}


def wrapper_of(name: str) -> tuple[Callable[[Family], Family], str] | None:
    """How a family of this name wraps another, and the name of that one; None where it wraps none."""
    found = next((prefix for prefix in _WRAPPERS if name.startswith(prefix)), None)
    return (_WRAPPERS[found], name.removeprefix(found)) if found else None


def inner_name(name: str) -> tuple[str, int]:
    """The family below all that wraps it, and how often it is wrapped.

    >>> inner_name("curved-on-linear-lightgbm"), inner_name("ridge")
    (('lightgbm', 2), ('ridge', 0))
    """
    depth = 0
    while wrapper := wrapper_of(name):
        name, depth = wrapper[1], depth + 1
    return name, depth


def inner_family(family: Family) -> Family:
    """The family below all that wraps it; the family itself where nothing does."""
    while isinstance(family, WrappingFamily):
        family = family.inner
    return family
