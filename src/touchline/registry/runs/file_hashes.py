"""The SHA-256 of each file of a run, in the object store and in an embedded MLflow, so that damage is found.

Releases have digests of their own. The files of a run are what they are built from, again if need be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from touchline.errors import ObjectNotFound, StoredFileDamaged
from touchline.registry.release.digest import file_hashes, sha256_of
from touchline.storage import open_named

if TYPE_CHECKING:
    from touchline.registry.journal.versions import ModelVersion, Registry
    from touchline.registry.runs.tracking import LoggedRun

_SUFFIX: Final = ".sha256.json"  # beside the folder of the run, whose files are copied whole


def write_hashes(registry: Registry, object_key: str, folder: Path, logged: LoggedRun) -> None:
    """Store the hashes of a run's files, which lie below `folder`, and of its copies in an embedded MLflow."""
    hashes = {"run": file_hashes(folder), "mlflow": registry.tracking.local_hashes(logged)}
    registry.objects.write(f"{object_key}{_SUFFIX}", json.dumps(hashes, indent=1, sort_keys=True).encode())


def find_run_damage(registry: Registry, version: ModelVersion) -> str | None:
    """The first file of the version's run that is missing or not as it was stored, in words; None if all are sound."""
    try:
        hashes = json.loads(registry.objects.read(f"{version.object_key}{_SUFFIX}"))
        for path, digest in hashes["run"].items():
            open_named(registry.objects, f"{version.object_key}/{path}", digest)
    except (StoredFileDamaged, ObjectNotFound) as damage:
        return str(damage)
    except (ValueError, KeyError) as damage:
        return f"{version.object_key}{_SUFFIX} is damaged ({damage})"
    return _mlflow_damage(registry.tracking.artifacts, hashes["mlflow"])


def _mlflow_damage(artifacts: Path | None, hashes: Mapping[str, str]) -> str | None:
    if artifacts is None:
        return None
    for path, digest in hashes.items():
        file = artifacts / path
        if not file.is_file():
            return f"{file} is missing"
        if sha256_of(file.read_bytes()) != digest:
            return f"{file} is not as it was stored (SHA-256 {digest[:12]}…)"
    return None
