"""Semantic versions: how a new version differs for those who use the last one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Interface(Protocol):
    """The parts of a version that decide its number: what callers send and receive, and how it is made."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def request_fields(self) -> tuple[str, ...]: ...
    @property
    def task(self) -> str: ...
    @property
    def hashes(self) -> Mapping[str, str]: ...


def next_semantic_version(last: str, before: Interface, now: Interface) -> str:
    """Major: classes or request fields changed. Minor: recipe or features changed. Patch: only the data did."""
    major, minor, patch = (int(part) for part in last.split("."))
    contract = (before.classes, sorted(before.request_fields), before.task)
    if contract != (now.classes, sorted(now.request_fields), now.task):
        return f"{major + 1}.0.0"
    if any(before.hashes.get(name) != now.hashes.get(name) for name in ("feature", "recipe")):
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"
