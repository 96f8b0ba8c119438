"""Results on the terminal: tables as text, JSON for programs, the progress of long work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from touchline.contracts.json_text import exact_numbers
from touchline.errors import FolderMissing

_WIDE = 240


def print_json(result: Any) -> None:
    """A result (dataclasses, mappings, sequences, instants) as one JSON document."""
    typer.echo(json.dumps(exact_numbers(_plain(result)), indent=2, ensure_ascii=False, default=_scalar))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "none yet") -> None:
    """Rows under headings; without rows the title and `empty`."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(as_text(value) for value in row))
        count += 1
    if count:
        console = Console()
        # A pipe or a file has no width to fit into; folded cells would be hard to read and to search.
        console = console if console.is_terminal else Console(width=_WIDE)
        console.print(table)
    else:
        typer.echo(f"{title}: {empty}")


def require_folder(file: Path) -> None:
    """Say before anything is computed that a file to write has no folder. Raises `FolderMissing`."""
    if file.is_dir() or not file.parent.is_dir():
        raise FolderMissing(file)


def as_text(value: Any) -> str:
    """A value as text for people.

    >>> as_text(0.123456), as_text(None), as_text(timedelta(hours=3))
    ('0.1235', '-', '3:00:00')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)


def pairs_text(values: Mapping[str, Any], *, most: int = 12) -> str:
    """Names and values in one line, those of nested mappings under their own names; at most `most` of them.

    >>> pairs_text({"value": 118.4, "interval": {"low": 97.1, "high": 139.7}})
    'value 118.4  interval.low 97.1  interval.high 139.7'
    """
    pairs = [f"{name} {as_text(value)}" for name, value in _flat(values)]
    return "  ".join(pairs[:most]) + (f"  … {len(pairs) - most} more" if len(pairs) > most else "")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its name; the classes of `probabilities` go without that prefix."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, "" if name == "probabilities" else f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


@contextmanager
def progress(label: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Yields a function that reports the current step: in a spinner on a terminal, else as lines on standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with console.status(label) as status:
            yield lambda step: status.update(f"{label}: {step}")
    else:
        yield lambda step: typer.echo(f"{label}: {step}", err=True)


def _plain(result: Any) -> Any:
    if is_dataclass(result) and not isinstance(result, type):
        # A field that is left out of the representation is a store or a connection, no result.
        return _plain({one.name: getattr(result, one.name) for one in fields(result) if one.repr})
    if isinstance(result, dict):
        return {str(key): _plain(value) for key, value in result.items()}
    if isinstance(result, list | tuple | set | frozenset):
        return [_plain(item) for item in result]
    return result


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "item"):
        return value.item()
    return str(value)
