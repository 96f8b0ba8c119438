"""Which files pytest reads, for each file read is imported, and which tests come first."""

from __future__ import annotations

from pathlib import Path

import pytest

_SOURCE = Path(__file__).parent / "src"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """True leaves out a file of `src/` without an example in a docstring; None leaves the question to pytest."""
    is_source = collection_path.suffix == ".py" and collection_path.is_relative_to(_SOURCE)
    return True if is_source and ">>>" not in collection_path.read_text(encoding="utf-8") else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put Feast's tests, else in random order, side by side, so that of several workers only one imports Feast."""
    items.sort(key=lambda item: not item.path.name.startswith("test_feast_"))
