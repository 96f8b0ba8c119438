"""Each stored file is damaged in turn: it is found, never read as data, and rebuilt or named for a backup."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from tests.automation.test_released_views import LivingShop
from tests.damage import damage_file
from touchline.automation import Repair, find_damage, repair_damage
from touchline.cli.opening import pipeline_context
from touchline.errors import TouchlineError
from touchline.features.vectors.served_view import view_keys
from touchline.features.vectors.watermark import ViewMetadata
from touchline.project import advance_clock
from touchline.storage import tables

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


def repair(shop: LivingShop) -> list[Repair]:
    return list(repair_damage(pipeline_context(shop.opened())))


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
        assert [one.failure for one in repair(shop)] != []
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


def test_a_damaged_file_is_kept_beside_the_one_of_the_damage_before(shop: LivingShop) -> None:
    home = shop.place / "home"
    for _ in range(2):
        for suffix in ("", "-wal", "-shm"):  # the log would give the pages back
            (home / f"online.db{suffix}").unlink(missing_ok=True)
        (home / "online.db").write_bytes(b"garbage" * 2000)
        assert repair(shop)
    assert (home / "online.db.damaged").read_bytes() == (home / "online.db.damaged.2").read_bytes() != b""


def test_all_objects_gone_are_made_from_the_source_files_but_for_what_a_backup_has(shop: LivingShop) -> None:
    shutil.rmtree(shop.place / "home" / "objects")
    repairs = {one.damage.what: one for one in repair(shop)}
    assert "later ingests are lost" in str(repairs["source visits"].result)
    assert "Restore them from a backup" in str(repairs["release of version 1"].failure)
    left = {one.what.partition(" set ")[0] for one in find_damage(pipeline_context(shop.opened()))}
    assert left == {"release of version 1", "run of version 1", "training", "MLflow files of version 1"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_the_files_in_mlflow_is_named_for_a_backup(shop: LivingShop, damage: str) -> None:
    folder = shop.place / "home" / "mlartifacts" / "shop"
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    for file in files[:: max(len(files) // 6, 1)]:
        data = file.read_bytes()
        damage_file(file, damage)
        (found,) = find_damage(pipeline_context(shop.opened()))
        assert found.what == "MLflow files of version 1"
        assert found.repair is None
        assert "backup" in found.remedy
        file.write_bytes(data)
        assert find_damage(pipeline_context(shop.opened())) == []


def test_a_source_that_is_gone_too_leaves_the_records_as_they_are(shop: LivingShop) -> None:
    """A repair that fails must not cost more than the damage."""
    parts = sorted((shop.place / "home" / "objects" / "shop" / "snapshots").rglob("*.parquet"))
    sound = parts[0].read_bytes()
    damage_file(parts[0], "flip")
    (shop.place / "visits.csv").rename(shop.place / "away.csv")
    try:
        failed = {one.damage.what: one.failure for one in repair(shop)}
    finally:
        (shop.place / "away.csv").rename(shop.place / "visits.csv")
    assert "visits.csv" in str(failed["source visits"])
    parts[0].write_bytes(sound)  # a backup
    assert find_damage(pipeline_context(shop.opened())) == []


def test_damaged_metadata_of_a_view_is_found_and_filled_again(shop: LivingShop) -> None:
    before = answers(shop)
    online = shop.opened().stores.online
    view = shop.opened().project.feature_views[0]
    keys = view_keys("shop", view.name, view.feature_version)
    online.write([], {keys.metadata: b"garbage"})
    online.write([], {})
    assert [one.what for one in find_damage(pipeline_context(shop.opened()))] == [f"online values of view {view.name}"]
    assert [one.failure for one in repair(shop)] == [None]
    assert answers(shop) == before


def test_a_view_whose_old_code_cannot_run_is_said(shop: LivingShop) -> None:
    shop.edit("rolling_mean(10", "rolling_mean(4")
    code = next(shop.place.rglob("releases/*/code/project.py"))
    text = code.read_text()
    code.write_text("raise RuntimeError('no such library')\n" + text)
    try:
        found = {one.what: one.problem for one in find_damage(pipeline_context(shop.opened()))}
    finally:
        code.write_text(text)
        shop.edit("", "")
    assert any("no such library" in problem for problem in found.values())


@pytest.mark.parametrize("lost_from", [1, 2])
def test_stage_changes_that_the_database_lost_are_found_and_written_back(shop: LivingShop, lost_from: int) -> None:
    """As SQLite loses them when the end of its write-ahead log is damaged."""
    opened = shop.opened()
    before = opened.stores.journal.history("shop")
    assert [change.to_stage for change in before] == ["Staging", "Production"]
    with opened.stores.database.begin() as connection:
        connection.execute(delete(tables.stage_changes).where(tables.stage_changes.c.sequence >= lost_from))
        if lost_from == 1:
            for table in (tables.releases, tables.version_metrics, tables.model_versions):
                connection.execute(delete(table))
    found = {one.what: one.problem for one in find_damage(pipeline_context(shop.opened()))}
    assert f"has lost {3 - lost_from} stage changes" in found["journal"]
    assert [one.failure for one in repair(shop)] == [None]
    assert find_damage(pipeline_context(shop.opened())) == []
    assert shop.opened().stores.journal.history("shop") == before


def test_a_stage_change_that_differs_from_its_copy_is_said(shop: LivingShop) -> None:
    with shop.opened().stores.database.begin() as connection:
        connection.execute(update(tables.stage_changes).values(version=7))
    found = {one.what: one.problem for one in find_damage(pipeline_context(shop.opened()))}
    assert "entry 1 of the database is another than its copy, version 1 from None to Staging" in found["journal"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_of_the_journal_is_written_again(shop: LivingShop, damage: str) -> None:
    damage_file(next(shop.place.rglob("journal/*.json")), damage)
    assert [one.what for one in find_damage(pipeline_context(shop.opened()))] == ["copy of the journal"]
    assert [one.failure for one in repair(shop)] == [None]
    assert find_damage(pipeline_context(shop.opened())) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_a_run_is_found_and_copied_from_the_release(shop: LivingShop, damage: str) -> None:
    damage_file(next(shop.place.rglob("runs/*/model/model.json")), damage)
    found = {one.what: one.problem for one in find_damage(pipeline_context(shop.opened()))}
    assert "model/model.json" in found["run of version 1"]
    assert [one.failure for one in repair(shop)] == [None]
    assert find_damage(pipeline_context(shop.opened())) == []


def test_a_release_and_the_files_of_its_run_are_repaired_in_one_go(shop: LivingShop) -> None:
    """Each has a sound copy of what the other lost: the run is copied first, then the release is built from it."""
    damage_file(next(shop.place.rglob("runs/*/model/model.json")), "flip")
    damage_file(next(shop.place.rglob("releases/*/profile.npz")), "flip")
    repaired = repair(shop)
    assert [(one.damage.what, one.failure) for one in repaired] == [
        ("run of version 1", None),
        ("release of version 1", None),
    ]
    assert find_damage(pipeline_context(shop.opened())) == []


def test_a_file_of_a_run_without_a_list_is_listed(shop: LivingShop) -> None:
    """A run of an earlier touchline has none."""
    next(shop.place.rglob("runs/*/files-*.json")).unlink()
    assert [one.problem for one in find_damage(pipeline_context(shop.opened()))] == [
        "no list says how its files were written"
    ]
    assert [one.failure for one in repair(shop)] == [None]
    assert find_damage(pipeline_context(shop.opened())) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_training_set_is_found(shop: LivingShop, damage: str) -> None:
    file = next(shop.place.rglob("training_sets/*.parquet"))
    damage_file(file, damage)
    assert [one.what for one in find_damage(pipeline_context(shop.opened()))] == [f"training set {file.stem}"]
    assert "Serving does not need it" in str([one.failure for one in repair(shop)])  # there were ingests since


def test_older_online_values_are_found_and_filled_again(shop: LivingShop) -> None:
    """As SQLite loses the newest ones when the end of its write-ahead log is damaged."""
    opened = shop.opened()
    view, online = opened.project.feature_views[0], opened.stores.online
    keys = view_keys("shop", view.name, view.feature_version)
    metadata = ViewMetadata.unpack(online.read([keys.metadata])[0] or b"", view.name)
    online.write([], {keys.metadata: replace(metadata, history="earlier").pack()})
    found = find_damage(pipeline_context(shop.opened()))
    assert ["the store is behind" in one.problem for one in found] == [True]
    assert [one.failure for one in repair(shop)] == [None]
    assert find_damage(pipeline_context(shop.opened())) == []


def test_online_values_of_an_ingest_that_the_database_lost_are_not_replaced_by_older_ones(shop: LivingShop) -> None:
    database, aside = shop.place / "home" / "touchline.db", shop.place / "aside.db"
    with sqlite3.connect(database) as connection:
        connection.execute("VACUUM INTO ?", [str(aside)])
    connection.close()
    shop.a_day_later()
    shop.ingest()
    before = answers(shop)
    now = shop.opened().clock.now()
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    aside.replace(database)
    advance_clock(shop.opened().project, shop.opened().stores.database, to=now)
    found = find_damage(pipeline_context(shop.opened()))
    assert ["come from a later ingest" in one.problem for one in found] == [True] * 3
    assert repair(shop) == []
    assert answers(shop) == before
    shop.ingest()
    assert find_damage(pipeline_context(shop.opened())) == []
