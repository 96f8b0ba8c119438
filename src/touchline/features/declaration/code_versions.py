"""Hashes that name code, declarations and content."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def short_hash(parts: object) -> str:
    """16 hexadecimal digits of the SHA-256 of anything JSON can say (the rest by its `repr`).

    >>> short_hash([1, "a"]) == short_hash((1, "a"))
    True
    """
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_hash(function: Callable[..., Any]) -> str:
    """Hash of what a function does: its code and that of the project's functions and constants it refers to.

    Comments, layout and docstrings do not count.
    """
    seen: dict[str, str] = {}
    _collect(inspect.unwrap(function), seen)
    return short_hash(sorted(seen.items()))


def content_hash(frame: pl.DataFrame) -> str:
    """SHA-256 of names, types and values, the same for equal frames whatever lies under their nulls."""
    digest = hashlib.sha256()
    for column in frame.iter_columns():
        digest.update(f"{column.name}:{column.dtype}:{len(column)}".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        digest.update(_value_bytes(column))
    return digest.hexdigest()


def _value_bytes(column: pl.Series) -> bytes:
    import polars as pl

    if column.dtype.is_temporal():
        column = column.to_physical()
    if column.dtype == pl.Boolean:
        column = column.cast(pl.Int8)
    if column.dtype.is_numeric():
        return column.fill_null(0).to_numpy().tobytes()
    texts = column.cast(pl.String).fill_null("")
    lengths = texts.str.len_bytes().to_numpy().tobytes()
    return lengths + b"".join(text.encode() for text in texts)


def _collect(function: Any, seen: dict[str, str]) -> None:
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"
    if name in seen:
        return
    seen[name] = _code(function)
    if not isinstance(function, FunctionType):
        return
    package = _package(function.__module__)
    for reference, value in sorted(_references(function).items()):
        if isinstance(value, FunctionType | type) and _package(value.__module__) == package:
            _collect(value, seen)
        elif not callable(value) and not isinstance(value, ModuleType):
            seen[f"{name}.{reference}"] = repr(value) if _has_plain_repr(value) else type(value).__qualname__


def _references(function: FunctionType) -> dict[str, Any]:
    """Globals and closed-over names the function reads, nested functions included."""
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes.extend(constant for constant in code.co_consts if inspect.iscode(constant))
    found = {name: function.__globals__[name] for name in names if name in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        found[name] = cell.cell_contents
    return found


def _code(function: Any) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # made at a prompt or by a decorator: the compiled code must do
        code = getattr(function, "__code__", None)
        return repr((code.co_code.hex(), code.co_names)) if code else repr(function)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = []
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _package(module: str) -> str:
    """The project a module belongs to: `touchline_projects.football.rolling` is `touchline_projects.football`."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "touchline_projects" else parts[0]


def _has_plain_repr(value: Any) -> bool:
    """True where repr() is the value and nothing else: no address, no state."""
    return " at 0x" not in repr(value)
