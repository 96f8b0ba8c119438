"""Each stored file is damaged in turn: it is found, never read as data, and rebuilt or named for a backup."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator

import pytest

from tests.automation.test_released_views import LivingShop
from tests.damage import damage_file
from touchline.automation import find_damage
from touchline.cli.opening import pipeline_context
from touchline.errors import TouchlineError

pytestmark = pytest.mark.services
DAMAGES = ["flip", "cut", "delete"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> LivingShop:
    shop = LivingShop(tmp_path_factory.mktemp("original"))
    shop.edit("", "")
    shop.start()
    for _ in range(2):
        shop.a_day_later()
        shop.ingest()
    return shop


@pytest.fixture
def shop(original: LivingShop) -> Iterator[LivingShop]:
    """The same shop; its home is put back after the test."""
    home, kept = original.place / "home", original.place / "kept"
    shutil.copytree(home, kept)
    yield original
    shutil.rmtree(home)
    kept.rename(home)


def answers(shop: LivingShop) -> list[tuple[float, str]]:
    return [shop.served(f"c/{who}") for who in range(6)]


def repair(shop: LivingShop) -> list[str]:
    """Repair until nothing is left that can be; what was repaired, in order."""
    repaired: list[str] = []
    context = pipeline_context(shop.opened())
    while todo := [one for one in find_damage(context) if one.repair and one.what not in repaired]:
        assert todo[0].repair is not None
        repaired.append(todo[0].what)
        todo[0].repair()
    return repaired


def test_a_sound_home_has_no_damage(shop: LivingShop) -> None:
    assert find_damage(pipeline_context(shop.opened())) == []


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("room", ["snapshots", "history", "releases"])
def test_a_damaged_file_is_found_and_rebuilt(shop: LivingShop, room: str, damage: str) -> None:
    before = answers(shop)
    files = sorted(path for path in (shop.place / "home" / "objects" / "shop" / room).rglob("*") if path.is_file())
    for file in files[:: max(len(files) // 4, 1)]:
        damage_file(file, damage)
        found = find_damage(pipeline_context(shop.opened()))
        if not found:
            continue  # a file that nothing refers to any more, such as one that was merged into another
        assert all(one.problem and one.repair for one in found)
        repair(shop)
        assert find_damage(pipeline_context(shop.opened())) == []
        assert answers(shop) == before


@pytest.mark.parametrize("damage", [*DAMAGES, "garbage"])
def test_a_damaged_online_file_is_replaced_and_filled(shop: LivingShop, damage: str) -> None:
    before = answers(shop)
    file = shop.place / "home" / "online.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    if damage == "garbage":
        file.write_bytes(b"garbage" * 2000)
    else:
        damage_file(file, damage)
    try:
        seen = answers(shop)
    except TouchlineError:
        seen = before
    assert seen == before, "a wrong answer"
    if find_damage(pipeline_context(shop.opened())):
        assert repair(shop)
    assert find_damage(pipeline_context(shop.opened())) == []
    assert answers(shop) == before


def test_all_objects_gone_are_made_from_the_source_files_but_for_what_a_backup_has(shop: LivingShop) -> None:
    shutil.rmtree(shop.place / "home" / "objects")
    found = {one.what for one in find_damage(pipeline_context(shop.opened()))}
    assert "source visits" in found
    with pytest.raises(TouchlineError, match="backup"):
        repair(shop)
