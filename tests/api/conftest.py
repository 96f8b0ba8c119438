from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Client

from tests.api.builders import a_client, train_shop
from tests.stores import built_once


@pytest.fixture(scope="session")
def _trained_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory, "trained-api-shop", train_shop)


@pytest.fixture
def shop(tmp_path: Path, _trained_shop: Path) -> Path:
    """A folder with a trained and promoted shop, for one test."""
    return Path(shutil.copytree(_trained_shop, tmp_path / "shop"))


@pytest.fixture
def client(shop: Path) -> Iterator[Client]:
    with a_client(shop) as opened:
        yield opened
