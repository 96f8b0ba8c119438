"""Building a release from what its run has kept: the same version always gives the same bundle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import Connection, insert, select

from touchline.errors import NotEvaluated
from touchline.registry.release.digest import DIGEST_FILE, digest_of, file_hashes
from touchline.registry.release.manifest import ReleaseManifest
from touchline.registry.release.release import LoadedRelease, load_release, release_id
from touchline.registry.runs.versions import ModelVersion, Registry
from touchline.storage import tables
from touchline.training import Family

# What a release takes over from its run. The rest of a run (predictions, evaluation) is not needed to serve.
_TAKEN: Final = ("model/", "code/")
_TAKEN_FILES: Final = frozenset(
    {"contract.schema.json", "profile.npz", "examples.npz", "examples.parquet", "lineage.json"}
)


@dataclasses.dataclass(frozen=True)
class Release:
    """An immutable bundle, by its digest. `path` is where it can be loaded from."""

    id: str
    project: str
    version: int
    digest: str
    object_key: str
    path: Path


def build_release(registry: Registry, version: ModelVersion, *, families: dict[str, Family] | None = None) -> Release:
    """Write the version's bundle, unless it is there, and prove that it loads. The record of it is written
    with the stage change that needs it (`record_release`), so nothing points to half a bundle.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        digest = _assemble(registry, version, folder)
        # Before anything is kept: a bundle that fails its own self-test never gets a place.
        load_release(folder, digest=digest, families=families)
        found = release_id(version.project, version.version, digest)
        object_key = f"{version.project}/releases/{found}"
        _keep(registry, folder, object_key)
    return Release(found, version.project, version.version, digest, object_key, registry.objects.local_path(object_key))


def record_release(connection: Connection, registry: Registry, release: Release) -> None:
    """Write the release's row, if it is not there, inside the transaction of the stage change."""
    table = tables.releases
    if connection.execute(select(table.c.id).where(table.c.id == release.id)).first():
        return
    connection.execute(
        insert(table).values(
            id=release.id,
            project=release.project,
            version=release.version,
            digest=release.digest,
            object_key=release.object_key,
            created_at=registry.clock.now(),
        )
    )


def find_release(registry: Registry, release: str) -> Release | None:
    """The recorded release of that id."""
    table = tables.releases
    with registry.database.connect() as connection:
        row = connection.execute(select(table).where(table.c.id == release)).first()
    if row is None:
        return None
    path = registry.objects.local_path(row.object_key)
    return Release(row.id, row.project, row.version, row.digest, row.object_key, path)


def open_release(
    registry: Registry, release: str, *, families: dict[str, Family] | None = None
) -> LoadedRelease | None:
    """The recorded release, verified against the digest on record and proven by its self-test."""
    found = find_release(registry, release)
    return load_release(found.path, digest=found.digest, families=families) if found else None


def _assemble(registry: Registry, version: ModelVersion, folder: Path) -> str:
    prefix = f"{version.object_key}/"
    names = [key.removeprefix(prefix) for key in registry.objects.list(prefix)]
    if "facts.json" not in names:
        raise NotEvaluated(version.project, version.version, "files")
    for name in names:
        if name in _TAKEN_FILES or name.startswith(_TAKEN):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(registry.objects.read(prefix + name))
    facts = ReleaseManifest.from_bytes(registry.objects.read(f"{prefix}facts.json"))
    manifest = dataclasses.replace(
        facts,
        version=version.version,
        semantic_version=version.semantic_version,
        run_id=version.run_id,
        files=file_hashes(folder),
    )
    (folder / "release.json").write_bytes(manifest.to_bytes())
    digest = digest_of(file_hashes(folder))
    (folder / DIGEST_FILE).write_text(digest + "\n", encoding="ascii")
    return digest


def _keep(registry: Registry, folder: Path, object_key: str) -> None:
    """File by file, the digest last: a build that was cut off has none and is simply built again."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for path in sorted(files, key=lambda path: path.name == DIGEST_FILE and path.parent == folder):
        registry.objects.write_file(f"{object_key}/{path.relative_to(folder).as_posix()}", path)
