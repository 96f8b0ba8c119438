"""The SHA-256 of each file that a run has in an embedded MLflow, so that damage there is found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from touchline.errors import ObjectNotFound
from touchline.registry.release.digest import sha256_of

if TYPE_CHECKING:
    from touchline.registry.journal.versions import ModelVersion, Registry
    from touchline.registry.runs.tracking import LoggedRun

_SUFFIX: Final = ".mlflow.json"  # beside the folder of the run, whose files are copied whole


def write_mlflow_hashes(registry: Registry, object_key: str, logged: LoggedRun) -> None:
    """Store the hashes of the files of a run that an embedded MLflow has; there are none where MLflow is a server."""
    hashes = registry.tracking.local_hashes(logged)
    registry.objects.write(f"{object_key}{_SUFFIX}", json.dumps(hashes, indent=1, sort_keys=True).encode())


def find_mlflow_damage(registry: Registry, version: ModelVersion) -> str | None:
    """The first file of the version's run that MLflow lacks or has otherwise, in words; None if all are sound."""
    artifacts = registry.tracking.artifacts
    if artifacts is None:
        return None
    try:
        hashes: dict[str, str] = json.loads(registry.objects.read(f"{version.object_key}{_SUFFIX}"))
    except ObjectNotFound as missing:
        return str(missing)
    except ValueError as damage:
        return f"{version.object_key}{_SUFFIX} is damaged ({damage})"
    for path, digest in hashes.items():
        file = artifacts / path
        if not file.is_file():
            return f"{file} is missing"
        if sha256_of(file.read_bytes()) != digest:
            return f"{file} is not as it was stored (SHA-256 {digest[:12]}…)"
    return None
