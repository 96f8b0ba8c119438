"""Semantic versions: what a new version changes for those who use the last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Interface:
    """What decides a version's number: what callers send and get, how it is made."""

    classes: tuple[str, ...]
    request_fields: tuple[str, ...]
    task: str
    hashes: Mapping[str, str] = field(default_factory=dict)


def next_semantic_version(last: str | None, before: Interface | None, now: Interface) -> str:
    """Major: classes or request fields changed. Minor: recipe or features changed. Patch: only the data did.

    >>> same = Interface(("no", "yes"), ("age",), "binary", {"feature": "f", "recipe": "r"})
    >>> next_semantic_version(None, None, same), next_semantic_version("1.2.0", same, same)
    ('1.0.0', '1.2.1')
    """
    if last is None or before is None:
        return "1.0.0"
    major, minor, patch = (int(part) for part in last.split("."))
    contract = (before.classes, sorted(before.request_fields), before.task)
    if contract != (now.classes, sorted(now.request_fields), now.task):
        return f"{major + 1}.0.0"
    if any(before.hashes.get(name) != now.hashes.get(name) for name in ("feature", "recipe")):
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"
