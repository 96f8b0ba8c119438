"""A backup or a restore that the disk has no room for says so and leaves nothing behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.storage.children import finish, start

BACK_UP = """
import resource, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from touchline.backup.capture import MlflowFiles, staged_mlflow
from touchline.errors import DiskFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
place = Path(sys.argv[1])
try:
    with staged_mlflow(MlflowFiles(place / "mlflow.db", place / "artifacts"), scratch=place, now=datetime.now(UTC)):
        print("staged")
except DiskFull as full:
    print(full, sorted(path.name for path in place.iterdir()))
"""


@pytest.mark.parametrize("large", ["mlflow.db", "artifacts"])
def test_a_backup_without_room_is_told_in_a_sentence_and_leaves_nothing(tmp_path: Path, large: str) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "model").write_bytes(b"x" * (200_000 if large == "artifacts" else 10))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE runs (text)")
        database.execute("INSERT INTO runs VALUES (zeroblob(?))", [300_000 if large == "mlflow.db" else 10])
        database.commit()
    printed = finish(start(BACK_UP, str(tmp_path)))
    assert printed.startswith(f"No space left to write the backup set in {tmp_path}. ")
    assert printed.strip().endswith("['artifacts', 'mlflow.db']")
