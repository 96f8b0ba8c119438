from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingest.builders import House
from touchline.storage import Database


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "objects")
