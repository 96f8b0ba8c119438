"""Take a backup set of a home while it runs.

The order makes the set consistent, since files never change once they are written and are written before the rows
that name them: first the spools (a row of one may also be in the database, which keeps it once), then the metadata
database, then MLflow's, then all files. A file that is newer than the database is one too many, none is missing.
`data prune` waits meanwhile: both hold the lease `BACKUP_LEASE`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from touchline.backup.backup_set import MANIFEST, BackupSet, hash_files
from touchline.errors import BackupRefused, ObjectNotFound
from touchline.features import FeatureHistories
from touchline.predictions import PredictionRecords
from touchline.registry import database_file
from touchline.storage import Database, ObjectStore, copy_sqlite, copy_tables, count_rows, fold_log, sqlite_file
from touchline.storage.disk_failures import disk_failures_named

BACKUP_LEASE: Final = "backup"

_STAGING: Final = "backup_staging"
_NOT_OF_MLFLOW: Final = frozenset({"lock"})


@dataclass(frozen=True)
class MlflowFiles:
    """An embedded MLflow: its SQLite file and the folder of its artifacts."""

    database: Path
    artifacts: Path


@dataclass(frozen=True)
class HomeState:
    """Everything of a home that a set holds. `code` has the files of each project, `settings` no secret."""

    folder: Path
    database: Database
    objects: ObjectStore
    tracking_uri: str
    settings: Mapping[str, Any]
    code: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def mlflow(self) -> MlflowFiles | None:
        """The embedded MLflow; None where it is a server or has no run yet."""
        file = database_file(self.tracking_uri)
        return MlflowFiles(file, self.folder / "mlartifacts") if file is not None and file.exists() else None


@contextmanager
def staged_home(state: HomeState, *, now: datetime, on_progress: Callable[[str], None]) -> Iterator[Path]:
    """A folder with a new set of the home, for the block."""
    with _staging(state.folder) as folder:
        on_progress("copy the databases")
        _copy_spool(state.folder / "shadow", folder / "home" / "shadow")
        _copy_spool(state.folder / "spool", folder / "spool")
        schema, rows, newest = _copy_database(state, folder / "home" / "touchline.db")
        left_out = []
        if state.mlflow is not None:
            copy_mlflow(state.mlflow, folder / "home")
        elif database_file(state.tracking_uri) is None:
            left_out.append(f"MLflow at {state.settings['mlflow_tracking_uri']}: a server is backed up where it runs")
        on_progress("copy the files")
        _copy_objects(state.objects, folder / "home" / "objects")
        for key in sorted((state.folder / "keys").glob("*.pub.pem")):  # no private key: a restored home makes its own
            _link_or_copy(key, folder / "home" / "keys" / key.name)
        _write_declaration(state, folder)
        backup = BackupSet(
            id=f"{now:%Y%m%dT%H%M%SZ}",
            created_at=now,
            touchline=version("touchline"),
            schema=schema,
            projects=tuple(sorted(state.code)),
            rows=rows,
            newest_prediction_at=newest,
            artifacts=str(state.mlflow.artifacts.absolute()) if state.mlflow else None,
            left_out=(*left_out, "values of the online store: a restore fills them from the feature histories"),
            files={},
        )
        on_progress("hash the files")
        _write_manifest(backup, folder)
        yield folder


@contextmanager
def staged_mlflow(mlflow: MlflowFiles, *, scratch: Path, now: datetime) -> Iterator[Path]:
    """A folder with a new set of a bare MLflow: its database and its artifacts, captured together."""
    for path in (mlflow.database, mlflow.artifacts):
        if not path.exists():
            raise BackupRefused(f"{path} does not exist: there is no MLflow to back up. Nothing was written.")
    with _staging(scratch) as folder:
        copy_mlflow(mlflow, folder / "home")
        backup = BackupSet(
            id=f"{now:%Y%m%dT%H%M%SZ}",
            created_at=now,
            touchline=version("touchline"),
            schema=None,
            projects=(),
            rows={},
            newest_prediction_at=None,
            artifacts=str(mlflow.artifacts.absolute()),
            left_out=(),
            files={},
        )
        _write_manifest(backup, folder)
        yield folder


def copy_mlflow(mlflow: MlflowFiles, target: Path) -> None:
    """The database first: whatever it names then is written already, so its artifacts are all among the files."""
    copy_sqlite(mlflow.database, target / "mlflow.db")
    if mlflow.artifacts.is_dir():
        shutil.copytree(mlflow.artifacts, target / "mlartifacts", ignore=lambda _, names: _NOT_OF_MLFLOW & set(names))


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    """One folder, always of the same name, so that restic finds the set before; one that a kill left is removed."""
    folder = home / _STAGING
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with disk_failures_named("the backup set", home):
            folder.mkdir(mode=0o700, parents=True)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_spool(spool: Path, target: Path) -> None:
    """The rows that wait for the database. A segment that goes away meanwhile is in the database by then."""
    for path in sorted(spool.rglob("*.jsonl")):
        with suppress(FileNotFoundError):
            data = path.read_bytes()
            copy = target / path.relative_to(spool)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)


def _copy_database(state: HomeState, target: Path) -> tuple[str | None, dict[str, int], datetime | None]:
    """The metadata database as a SQLite file, whichever kind it is; its schema, rows, and newest prediction."""
    if (source := sqlite_file(state.database.engine)) is not None:
        copy_sqlite(source, target)
    with opened_copy(target) as copy:
        if source is None:
            copy.migrate()
            copy_tables(state.database, copy)
        return copy.revision(), count_rows(copy), PredictionRecords(copy, None).counts().last_answered_at


@contextmanager
def opened_copy(target: Path) -> Iterator[Database]:
    """A SQLite database of a set; what lies in its log is written into the file itself, so that it is one file."""
    copy = Database.open(f"sqlite:///{target}", is_flushed=False)
    try:
        yield copy
    finally:
        copy.close()
        fold_log(target)


def _copy_objects(objects: ObjectStore, target: Path) -> None:
    """Every object. Local files are linked where the disk allows it, since they never change."""
    for key in objects.list():
        copy = target / key
        try:
            _link_or_copy(objects.local_path(key), copy)
        except ObjectNotFound as gone:
            raise BackupRefused(
                f"The object {key} was deleted while the backup ran. Nothing was written; run the same command again."
            ) from gone


def _link_or_copy(source: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, copy)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, copy)


def _write_declaration(state: HomeState, folder: Path) -> None:
    for project, files in state.code.items():
        for path, data in files.items():
            copy = folder / "projects" / project / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
    (folder / "settings.json").write_text(json.dumps(dict(state.settings), indent=1, sort_keys=True, default=str))
    (folder / "online.json").write_text(json.dumps(_online_definitions(state), indent=1))


def _online_definitions(state: HomeState) -> list[dict[str, str]]:
    """The versions of views that the home has a history of: what a restore fills the online store with."""
    return [
        {"project": project, "view": view, "feature_version": version}
        for project in sorted(state.code)
        for view, version in sorted(FeatureHistories(state).versions(project))
    ]


def _write_manifest(backup: BackupSet, folder: Path) -> None:
    (folder / MANIFEST).write_bytes(replace(backup, files=hash_files(folder)).to_bytes())
