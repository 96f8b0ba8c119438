"""`touchline migrate --to`: the shop moves from its embedded stores to PostgreSQL, a bucket and Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.cli.conftest import a_shop
from tests.servers import running_postgres
from touchline.automation import find_damage
from touchline.cli.opening import open_project, pipeline_context
from touchline.errors import BackupRefused, OnlineStoreError
from touchline.ingest import read_log

pytestmark = pytest.mark.services


def test_a_home_that_moved_to_servers_has_everything(
    tmp_path: Path, postgres_url: str, bucket: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_shop(tmp_path) as shop:
        shop.run("ingest")
        shop.run("features", "materialize")
        before = shop.json("data", "log")
        words = ["migrate", "--to", postgres_url, "--objects-to", bucket, "--redis-to", redis_url]
        printed = shop.run(*words)
        assert "counts and digests are equal" in printed
        assert "TOUCHLINE_ONLINE_STORE=redis" in printed
        for name, value in {"DATABASE_URL": postgres_url, "OBJECTS_URL": bucket, "REDIS_URL": redis_url}.items():
            monkeypatch.setenv(f"TOUCHLINE_{name}", value)
        monkeypatch.setenv("TOUCHLINE_ONLINE_STORE", "redis")
        for file in ("touchline.db", "online.db"):
            (shop.place / "home" / file).unlink()
        opened = open_project("shop")
        try:
            moved = read_log(opened.stores.database, "shop")
            assert [one.snapshot_hash for one in moved] == [one["snapshot_hash"] for one in before]
            # Also compares every object and every online value with what the database says of it.
            assert find_damage(pipeline_context(opened)) == []
        finally:
            opened.home.database.close()


def test_a_move_into_a_database_with_rows_is_refused(tmp_path: Path, postgres_url: str) -> None:
    with a_shop(tmp_path) as shop:
        shop.run("clock", "advance", "2024-06-02")
        state = {one["what"]: one["actual"] for one in shop.json("doctor")}["state of shop"]
        assert state == "nothing is stored yet: touchline ingest -p shop"
        shop.run("migrate", "--to", postgres_url)
        assert "counts and digests are equal" in shop.run("migrate", "--to", postgres_url)
        shop.run("clock", "advance", "2024-06-03")
        refused = r"rows there and here: clocks 1 and 1\): two homes would be mixed"
        with pytest.raises(BackupRefused, match=refused):
            shop.run("migrate", "--to", postgres_url, "--objects-to", f"file://{tmp_path}/bucket")
        assert not (tmp_path / "bucket").exists()
        engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM clocks")) == 1
        engine.dispose()


def test_a_move_with_one_store_away_leaves_the_others_empty(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    with a_shop(tmp_path) as shop:
        shop.run("ingest")
        words = ["migrate", "--to", postgres_url, "--objects-to", f"file://{tmp_path}/bucket", "--redis-to"]
        with pytest.raises(OnlineStoreError):
            shop.run(*words, "redis://127.0.0.1:1")
        assert not (tmp_path / "bucket").exists()
        assert "of them came with an earlier try" not in shop.run(*words, redis_url)
        assert "of them came with an earlier try" in shop.run(*words, redis_url)


def test_a_refused_password_is_told_in_the_words_of_the_option(tmp_path: Path) -> None:
    with a_shop(tmp_path) as shop, running_postgres(access="host all locked 127.0.0.1/32 scram-sha-256") as url:
        with pytest.raises(BackupRefused, match=r"Correct user and password in --to\.$") as refused:
            shop.run("migrate", "--to", url.replace("touchline@", "locked:a-secret@"))
        assert "a-secret" not in str(refused.value)
