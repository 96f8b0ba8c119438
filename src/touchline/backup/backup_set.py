"""A backup set: files below a folder, and `set.json` with the hash of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from touchline.errors import BackupDamaged

MANIFEST: Final = "set.json"
FORMAT: Final = 1
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class StoredFile:
    """The hash and size of one file of a set."""

    sha256: str
    size: int


@dataclass(frozen=True)
class BackupSet:
    """What a set holds. `rows` counts the rows of each table; `left_out` says in words what is not in the set.

    `newest_prediction_at` is the time of the newest logged prediction; `artifacts` is the folder that MLflow's files
    had, whose addresses are in MLflow's database.
    """

    id: str
    created_at: datetime
    touchline: str
    schema: str | None
    projects: tuple[str, ...]
    rows: Mapping[str, int]
    newest_prediction_at: datetime | None
    artifacts: str | None
    left_out: tuple[str, ...]
    files: Mapping[str, StoredFile]

    @property
    def kind(self) -> str:
        """`home`, or `mlflow` of an MLflow alone: sets of one place are of one kind, as old ones make room for new."""
        return "mlflow" if self.schema is None else "home"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    def to_bytes(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True, default=_text).encode()

    @classmethod
    def from_bytes(cls, data: bytes, *, place: str) -> BackupSet:
        """The set of a manifest. Raises `BackupDamaged` where it cannot be read."""
        try:
            document = json.loads(data)
            if document.pop("format") != FORMAT:
                raise ValueError("another format")
            return cls._of(document)
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise BackupDamaged(place, MANIFEST, f"it cannot be read ({wrong})") from wrong

    @classmethod
    def _of(cls, document: dict[str, Any]) -> BackupSet:
        newest = document["newest_prediction_at"]
        for project in document["projects"]:
            if project in ("", ".", "..") or {"/", "\\", "\0"} & set(project):
                raise ValueError(f"a project is named {project!r}, which is no name of a folder")
        return cls(
            **{
                **document,
                "created_at": datetime.fromisoformat(document["created_at"]),
                "projects": tuple(document["projects"]),
                "left_out": tuple(document["left_out"]),
                "newest_prediction_at": datetime.fromisoformat(newest) if newest else None,
                "files": {path: StoredFile(**file) for path, file in document["files"].items()},
            }
        )


def read_set(folder: Path) -> BackupSet:
    """The set in a folder, every file compared with its hash. Raises `BackupDamaged`, which names the first file."""
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError as missing:
        raise BackupDamaged(str(folder), MANIFEST, "it is missing") from missing
    backup = BackupSet.from_bytes(data, place=str(folder))
    for path, expected in backup.files.items():
        file = folder / path
        if not file.is_file():
            raise BackupDamaged(backup.id, path, "it is missing")
        if (actual := hash_file(file)) != expected:
            raise BackupDamaged(backup.id, path, f"its SHA-256 is {actual.sha256[:12]}, not {expected.sha256[:12]}")
    return backup


def hash_file(path: Path) -> StoredFile:
    """The hash and size of a file, which need not fit in memory."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return StoredFile(digest.hexdigest(), size)


def hash_files(folder: Path) -> dict[str, StoredFile]:
    """The files of a new set, by path; `set.json` is not one of them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files if path != folder / MANIFEST}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
