"""Both kinds of database, for the suite that each must pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from touchline.storage import Database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/any.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def any_database(any_url: str) -> Iterator[Database]:
    """A database of each kind, with all tables."""
    opened = Database.open(any_url)
    opened.migrate()
    yield opened
    opened.close()
