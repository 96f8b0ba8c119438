"""What `benchmarks/prove_automation.py` proves at full size, small."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.prove_automation import Size, prove

pytestmark = pytest.mark.services


def test_on_sqlite(tmp_path: Path) -> None:
    assert prove(f"sqlite:///{tmp_path / 'touchline.db'}", "SQLite", Size(ticks=100, kills=6))


def test_on_postgresql(postgres_url: str) -> None:
    assert prove(postgres_url, "PostgreSQL", Size(ticks=100, kills=6))
