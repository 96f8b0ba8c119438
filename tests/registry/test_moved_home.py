"""A home that was moved or copied: MLflow reads and writes the files of the new place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.registry.builders import a_registry, a_trained
from tests.stores import with_tables
from touchline.registry import open_tracking, record_version
from touchline.storage import Database


def _a_home(folder: Path) -> Database:
    return Database.open(f"sqlite:///{with_tables(folder)}/touchline.db")


@pytest.mark.parametrize("move", [shutil.copytree, shutil.move])
def test_a_home_elsewhere_has_its_own_files_and_leaves_the_old_place_alone(tmp_path: Path, move: object) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    first = a_registry(_a_home(old), old)
    record_version(first, a_trained("logistic"))
    first.database.close()
    move(old, new)  # type: ignore[operator]
    before = sorted(old.rglob("*"))
    database = Database.open(f"sqlite:///{new}/touchline.db")
    second = a_registry(database, new)
    record_version(second, a_trained("lightgbm"))
    client = second.tracking.client
    for number in ("1", "2"):
        version = client.get_model_version("p", number)
        assert version.source is not None
        assert version.source.startswith(new.as_uri())
        assert version.run_id is not None
        run = client.get_run(version.run_id)
        assert run.info.artifact_uri is not None
        assert run.info.artifact_uri.startswith(new.as_uri())
        assert [file.path for file in client.list_artifacts(version.run_id)]
    assert sorted(old.rglob("*")) == before
    database.close()


def test_a_database_that_was_left_half_made_is_made_again(tmp_path: Path) -> None:
    """As by a full disk in the first training: MLflow itself would stop at a table that exists already."""
    (tmp_path / "mlflow.db.partial").write_bytes(b"half" * 1000)
    (tmp_path / "mlflow.db").touch()
    tracking = open_tracking(f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "mlartifacts")
    assert len(tracking.client.search_experiments()) == 1
    assert not list(tmp_path.glob("*.partial*"))


_OPEN = """
import sys
from pathlib import Path
from touchline.registry import open_tracking
home = Path(sys.argv[1])
client = open_tracking(f"sqlite:///{home}/mlflow.db", artifacts=home / "mlartifacts").client
print(len(client.search_experiments()))
"""


def test_two_processes_that_open_a_new_mlflow_at_once_both_succeed(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _OPEN, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        printed, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
        assert printed.strip() == b"1"
