"""Which files pytest reads: of `src/` only those with an example in a docstring, for each file read is imported."""

from __future__ import annotations

from pathlib import Path

_SOURCE = Path(__file__).parent / "src"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """True leaves the file out; None leaves the question to pytest."""
    is_source = collection_path.suffix == ".py" and collection_path.is_relative_to(_SOURCE)
    return True if is_source and ">>>" not in collection_path.read_text(encoding="utf-8") else None
