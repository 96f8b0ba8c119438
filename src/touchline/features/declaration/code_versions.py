"""Versions of code: hashes that change whenever something changes that decides what a declared function returns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from touchline.contracts import Contract
    from touchline.ingest import Source


def short_hash(parts: object) -> str:
    """16 hexadecimal digits of the SHA-256 of anything JSON can say (the rest by its `repr`).

    >>> short_hash([1, "a"]) == short_hash((1, "a"))
    True
    """
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_version(owner: str, function: Callable[..., Any]) -> str:
    """The version of a function with everything of its project that it reaches.

    In the file that defines the function these are the definitions it uses, directly or through others; of other files
    of the project's package that it imports, the whole file. The values behind them count too: constants, tables,
    expressions, the state of objects. Comments, layout and docstrings do not count.

    Raises `InvalidView` (in the name of `owner`) for a value without stable content, such as a lock or an open file.
    """
    from touchline.features.declaration.reached_code import ReachedCode

    reached = ReachedCode(owner, package_of_function=function)
    reached.add("", function)
    return short_hash(sorted(reached.parts.items()))


def values_version(owner: str, values: object, *, beside: Callable[..., Any]) -> str:
    """The version of values that are declared `beside` a function, such as expressions; raises as `code_version`."""
    from touchline.features.declaration.reached_code import ReachedCode

    reached = ReachedCode(owner, package_of_function=beside)
    reached.add("", values)
    return short_hash(sorted(reached.parts.items()))


def contract_version(owner: str, contract: type[Contract]) -> str:
    """The version of a contract: its fields with their limits, and the code of its checks."""
    from touchline.contracts.fields import read_fields

    return short_hash([code_version(owner, contract), list(read_fields(contract).values())])


def source_version(owner: str, source: Source) -> str:
    """The version of a source as a view sees it: contract, key and times. Where the rows come from does not count."""
    times = [source.event_time, source.known_after.total_seconds(), source.known_at, source.zone]
    columns = [source.name, source.keys, source.hidden_until_known]
    return short_hash([columns, times, contract_version(owner, source.contract)])
