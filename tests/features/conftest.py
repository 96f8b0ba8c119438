from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from touchline.features import OnlineStore, open_online_store


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.services)])
def online_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineStore]:
    """Every online store in turn; a new backend adds its name to the list."""
    name: str = request.param
    location = str(tmp_path / "online.db") if name == "sqlite" else request.getfixturevalue("redis_url")
    # Not the rule under test, and a machine that runs other tests may be slow.
    store = open_online_store(name, location, timeout_seconds=60)
    yield store
    store.close()
