"""Backends by name: ours and a stranger's load the same way, through entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from touchline.errors import MissingDependency, UnknownPlugin


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def names(group: str) -> list[str]:
    """The backends installed for a group, sorted."""
    return sorted(_installed(group))


def place(group: str, name: str) -> str | None:
    """The address of a backend's object, as `module:attribute`; None if no backend has the name."""
    entry = _installed(group).get(name)
    return entry.value if entry is not None else None


def load(group: str, name: str) -> Any:
    """The object behind a backend's name.

    Raises `UnknownPlugin` (which lists the installed names) or `MissingDependency` (which names the
    extra to install). The caller states the protocol it expects; an entry point cannot.
    """
    entry = _installed(group).get(name)
    if entry is None:
        raise UnknownPlugin(group, name, names(group))
    try:
        return entry.load()
    except ModuleNotFoundError as missing:
        raise MissingDependency(f"{group} {name!r}", missing.name or "?", entry.extras) from missing
