"""Backups of a home: made while it runs, verified and restored elsewhere, refused where a byte differs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, a_shop
from tests.cli.served_rows import log, rows_of
from tests.servers import S3_KEYS, spare_port
from tests.serving.builders import wait_for
from touchline import backup
from touchline.backup.backup_set import MANIFEST, BackupSet, hash_files
from touchline.backup.capture import staged_home
from touchline.cli.opening import open_home, open_project
from touchline.cli.processes.daily_backup import DailyBackup
from touchline.clock import SystemClock
from touchline.errors import (
    BackendUnavailable,
    BackupDamaged,
    BackupIncomplete,
    BackupNotFound,
    BackupRefused,
    OnlineStoreUnavailable,
)

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A trained shop with 60 logged predictions, and a backup of it in `plain`."""
    with a_shop(tmp_path_factory.mktemp("backed-up")) as cli:
        cli.run("train")
        opened = open_project("shop")
        log(opened, rows_of(opened, yes=30, no=30)[0], version="Production")
        cli.run("backup", "create", "--to", str(cli.place / "plain"))
        yield cli


def _copy_of_place(shop: Cli, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop.place / "plain", tmp_path / "place"))


def test_a_home_that_was_wiped_predicts_the_same_after_a_restore_elsewhere(
    shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = shop.json("features", "get", "spending", "customer=c11")
    # Away, not only out of use: nothing may be read from the old place.
    shop.place.joinpath("home").rename(tmp_path / "away")
    try:
        place = shop.place / "plain"
        report = shop.json("backup", "restore", "--from", str(place), "--into", str(tmp_path / "new"))
        assert report["missing_files"] == [f"{tmp_path}/new/visits.csv (shop.visits)"]
        monkeypatch.setenv("TOUCHLINE_HOME", report["home"])
        monkeypatch.chdir(tmp_path / "new")
        replayed = shop.json("replay")
        assert (replayed["replayed"], replayed["mismatches"]) == (60, [])
        assert shop.json("features", "get", "spending", "customer=c11") == value
        marks = {one["what"]: one["mark"] for one in shop.json("doctor")}
        assert (marks["MLflow"], marks["state of shop"]) == ("ok", "ok")
    finally:
        shutil.rmtree(shop.place / "home", ignore_errors=True)
        (tmp_path / "away").rename(shop.place / "home")


def test_a_verification_prints_equality_recovery_time_and_recovery_point(shop: Cli) -> None:
    printed = shop.run("backup", "verify", "--from", str(shop.place / "plain"), "--sample", "50")
    assert "shop: 50 logged predictions computed again, all equal" in printed
    assert "recovery time: " in printed
    assert "recovery point: " in printed


def test_a_prediction_that_the_restored_release_does_not_give_is_found(shop: Cli, tmp_path: Path) -> None:
    """The proof can fail: the copy of the database says another thing than the release."""
    home = open_home()
    code = {"shop": {"project.py": (shop.place / "projects" / "shop" / "project.py").read_bytes()}}
    state = backup.HomeState(home.folder, home.database, home.objects, home.settings.tracking_uri, {}, code)
    with staged_home(state, now=SystemClock().wall(), on_progress=lambda _: None) as folder:
        with closing(sqlite3.connect(folder / "home" / "touchline.db")) as copy, copy:
            copy.execute('UPDATE predictions SET output = \'{"probabilities": {"no": 0.5, "yes": 0.5}}\'')
        manifest = BackupSet.from_bytes((folder / MANIFEST).read_bytes(), place="here")
        (folder / MANIFEST).write_bytes(replace(manifest, files=hash_files(folder)).to_bytes())
        backup.open_place(str(tmp_path / "place"), password=None).push(folder, manifest.id)
    assert "60 DIFFER" in shop.run("backup", "verify", "--from", str(tmp_path / "place"), code=1)


@pytest.mark.parametrize("what", ["touchline.db", "DIGEST", "mlflow.db"])
def test_a_damaged_set_is_refused_and_the_file_named(shop: Cli, tmp_path: Path, what: str) -> None:
    place = _copy_of_place(shop, tmp_path)
    opened = backup.open_place(str(place), password=None)
    scratch = tmp_path / "fetched"
    scratch.mkdir()
    opened.fetch(next(iter(opened.names())), scratch)
    damaged = next(path for path in sorted(scratch.rglob(what)))
    content = damaged.read_bytes()
    stored = next(file for file in (place / "files").rglob("*") if file.is_file() and file.read_bytes() == content)
    stored.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(BackupDamaged, match=f"{damaged.relative_to(scratch)}: .* was changed") as refused:
        shop.run("backup", "restore", "--from", str(place), "--into", str(tmp_path / "new"))
    assert refused.value.file == damaged.relative_to(scratch).as_posix()
    assert not (tmp_path / "new" / ".touchline").exists()


def test_a_changed_list_of_files_is_refused(shop: Cli, tmp_path: Path) -> None:
    place = _copy_of_place(shop, tmp_path)
    manifest = next((place / "sets").iterdir())
    manifest.write_text(manifest.read_text().replace('"shop"', '"shup"'))
    with pytest.raises(BackupDamaged, match=r"sets/.*: it was changed"):
        shop.run("backup", "verify", "--from", str(place))


def test_a_restore_overwrites_nothing_and_a_place_is_no_other_folder(shop: Cli, tmp_path: Path) -> None:
    (tmp_path / "new" / ".touchline").mkdir(parents=True)
    (tmp_path / "new" / ".touchline" / "touchline.db").write_text("another home")
    with pytest.raises(BackupRefused, match="is not empty: a restore never overwrites"):
        shop.run("backup", "restore", "--from", str(shop.place / "plain"), "--into", str(tmp_path / "new"))
    with pytest.raises(BackupRefused, match="has other files"):
        shop.run("backup", "create", "--to", str(tmp_path / "new"))
    with pytest.raises(BackupNotFound, match=r"has no set '2020'\. Its newest sets: 20"):
        shop.run("backup", "verify", "2020", "--from", str(shop.place / "plain"))


@pytest.mark.skipif(shutil.which("restic") is None, reason="restic is not installed: apt install restic")
def test_restic_encrypts_a_set(shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_BACKUP_PASSWORD", "pass word/with+signs")
    place = tmp_path / "encrypted"
    shop.run("backup", "create", "--to", str(place))
    assert not any(b"shop" in file.read_bytes() for file in place.rglob("*") if file.is_file())
    assert "60 logged predictions computed again, all equal" in shop.run("backup", "verify", "--from", str(place))
    _kill_a_restic(place, "pass word/with+signs")
    shop.run("backup", "create", "--to", str(place))
    monkeypatch.delenv("TOUCHLINE_BACKUP_PASSWORD")
    with pytest.raises(BackupRefused, match="is encrypted: set TOUCHLINE_BACKUP_PASSWORD"):
        shop.run("backup", "verify", "--from", str(place))


def _kill_a_restic(place: Path, password: str) -> None:
    """One that is killed leaves its lock behind, which keeps others from deleting old sets."""
    environment = {**os.environ, "RESTIC_PASSWORD": password, "RESTIC_REPOSITORY": str(place)}
    command = ("restic", "backup", "--stdin", "--stdin-filename", "file")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as killed:
        wait_for(lambda: any((place / "locks").iterdir()))
        killed.kill()


def test_a_second_plain_place_may_be_a_bucket(shop: Cli, tmp_path: Path, bucket: str) -> None:
    created = shop.json("backup", "create", "--to", str(tmp_path / "plain"), "--also-to", bucket)
    assert [len(removed) for removed in created["removed"].values()] == [0, 0]
    assert "all equal" in shop.run("backup", "verify", "--from", bucket)


def test_a_second_place_that_is_away_keeps_the_first_from_no_set(
    shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, away = str(tmp_path / "first"), "s3://backups/second"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{spare_port()}")
    for name, value in S3_KEYS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BackupIncomplete, match=r"is in .*first .*not in every place.*second"):
        shop.run("backup", "create", "--to", first, "--also-to", away)
    assert len(shop.json("backup", "list", "--from", first)) == 1
    with pytest.raises(BackendUnavailable):
        shop.run("backup", "create", "--to", away)


def test_an_mlflow_of_its_own_is_restored_with_the_addresses_of_its_new_place(shop: Cli, tmp_path: Path) -> None:
    home, place = shop.place / "home", str(tmp_path / "mlflow-backups")
    shop.run("backup", "mlflow", str(home / "mlflow.db"), str(home / "mlartifacts"), "--to", place)
    assert "every file is what was written" in shop.run("backup", "verify", "--from", place)
    shop.run("backup", "restore", "--from", place, "--into", str(tmp_path / "new"))
    with closing(sqlite3.connect(tmp_path / "new" / ".touchline" / "mlflow.db")) as database:
        addresses = [uri for (uri,) in database.execute("SELECT artifact_uri FROM runs")]
    folders = [Path(uri.removeprefix("file://")) for uri in addresses]
    assert folders
    assert all(folder.is_relative_to(tmp_path / "new") for folder in folders)
    assert any(folder.is_dir() for folder in folders)


def test_the_scheduler_makes_the_backup_of_the_day_once(
    shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHLINE_BACKUP_TO", str(tmp_path / "daily"))
    home = open_home()
    home.objects.delete("backups/newest.json")
    daily = DailyBackup(home)
    daily.look()
    assert daily.wait() == 0
    made = backup.open_place(str(tmp_path / "daily"), password=None).names()
    assert len(made) == 1
    again = DailyBackup(home)
    again.look()
    assert again.wait() is None
    assert {one["what"]: one["mark"] for one in shop.json("doctor")}["backup"] == "ok"


@pytest.mark.parametrize("password", [None, "secret"])
def test_an_mlflow_does_not_push_the_sets_of_a_home_out_of_their_place(
    shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    if password is not None:
        if shutil.which("restic") is None:
            pytest.skip("restic is not installed")
        monkeypatch.setenv("TOUCHLINE_BACKUP_PASSWORD", password)
    home, place = shop.place / "home", str(tmp_path / "backups")
    shop.run("backup", "create", "--to", place)
    with pytest.raises(BackupRefused, match="of kind 'home', and this one is of kind 'mlflow'"):
        shop.run("backup", "mlflow", str(home / "mlflow.db"), str(home / "mlartifacts"), "--to", place)
    assert len(shop.json("backup", "list", "--from", place)) == 1


def test_addresses_and_folders_that_cannot_be_are_refused_in_one_line(shop: Cli, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="an address starts with one of sqlite://"):
        shop.run("migrate", "--to", "mysql://a@b/x")
    with pytest.raises(OnlineStoreUnavailable):
        shop.run("migrate", "--redis-to", "redis://127.0.0.1:1/0")
    place, file = str(tmp_path / "backups"), tmp_path / "a-file"
    shop.run("backup", "create", "--to", place)
    file.touch()
    with pytest.raises(BackupRefused, match="cannot be made"):
        shop.run("backup", "restore", "--from", place, "--into", str(file))


def test_a_place_that_would_protect_from_nothing_is_refused(shop: Cli, tmp_path: Path) -> None:
    place = str(tmp_path / "backups")
    with pytest.raises(BackupRefused, match="is named twice"):
        shop.run("backup", "create", "--to", place, "--also-to", f"{place}/../backups/")
    with pytest.raises(BackupRefused, match="lies inside the home"):
        shop.run("backup", "create", "--to", str(shop.place / "home" / "backups"))
    with pytest.raises(BackupRefused, match="does not exist"):
        shop.run("backup", "list", "--from", place)
    assert not Path(place).exists()


def test_a_wrong_address_is_named_by_the_option_that_was_typed(shop: Cli) -> None:
    with pytest.raises(BackupRefused, match="Backup place s3:///backups cannot be: write scheme://bucket/folder") as to:
        shop.run("backup", "create", "--to", "s3:///backups")
    with pytest.raises(BackupRefused, match="--objects-to is s3:///objects") as objects:
        shop.run("migrate", "--objects-to", "s3:///objects")
    with pytest.raises(BackupRefused, match="Check that the server runs and that --to is right") as database:
        shop.run("migrate", "--to", "postgresql://a@127.0.0.1:1/x")
    assert not any("TOUCHLINE_" in str(refused.value) for refused in (to, objects, database))
