"""Pruning deletes what nothing refers to, and changes no prediction, trace or later ingest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.automation.test_released_views import LivingShop
from touchline.automation import find_damage, find_prunable, prune_data
from touchline.cli.opening import pipeline_context
from touchline.errors import SnapshotPruned
from touchline.features import read_training_set
from touchline.ingest import all_snapshots, read_snapshot
from touchline.ingest.manifests import read_ingests
from touchline.registry import read_version

pytestmark = pytest.mark.services
NOTHING = timedelta(0)


def _files(shop: LivingShop) -> set[Path]:
    objects = shop.place / "home" / "objects"
    return {path for path in objects.rglob("*") if path.is_file()}


def _size(files: set[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def test_pruning_deletes_only_what_nothing_refers_to(tmp_path: Path) -> None:
    shop = LivingShop(tmp_path)
    shop.start()
    for _ in range(9):
        shop.a_day_later()
        shop.ingest()
    context = pipeline_context(shop.opened())
    stores, before = context.stores, _files(shop)
    served = [shop.served(f"c/{who}") for who in range(6)]
    (source,) = {source.name for source in context.project.sources}
    snapshots = all_snapshots("shop", source, stores)
    brought = read_ingests(stores.database, "shop", source, snapshots[0].hash)

    assert not any(kind.files or kind.records for kind in find_prunable(context, older_than=timedelta(days=1)))
    announced = find_prunable(context, older_than=NOTHING)
    assert _files(shop) == before
    assert prune_data(context, older_than=NOTHING) == announced
    deleted = before - _files(shop)
    assert len(deleted) == sum(kind.files for kind in announced) > 5
    assert sum(kind.bytes_count for kind in announced) > 0
    assert not any(kind.files or kind.records for kind in find_prunable(context, older_than=NOTHING))

    # The current state, the state that the version was trained on, and the way back to the raw bytes are left.
    trained = read_training_set(read_version(stores, "shop", 1).training_set_hash, project="shop", stores=stores)
    assert trained is not None
    for hash in (snapshots[0].hash, trained.lineage["sources"][source]):
        assert read_snapshot("shop", source, stores, hash).read().height > 0
    with pytest.raises(SnapshotPruned, match="no model version was trained on it"):
        snapshots[1] and all_snapshots("shop", source, stores)[1].scan()
    assert read_ingests(stores.database, "shop", source, snapshots[0].hash) == brought
    for manifest in brought:
        assert all(stores.objects.exists(f"shop/raw/{file.sha256}") for file in manifest.files)
    assert find_damage(context) == []
    assert [shop.served(f"c/{who}") for who in range(6)] == served

    # Life goes on: the next ingest appends to the pruned past.
    shop.a_day_later()
    shop.ingest()
    assert shop.served("c/1") == (pytest.approx(shop.usual("c/1", 10)), "present")
