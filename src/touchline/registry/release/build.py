"""Builds a release from the files of its run: the same version always gives the same bundle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from touchline.errors import NotEvaluated
from touchline.registry.journal.versions import ModelVersion, Registry
from touchline.registry.release.digest import DIGEST_FILE, digest_of, file_hashes
from touchline.registry.release.manifest import ReleaseManifest
from touchline.registry.release.ml_bom import BOM_FILE, ml_bom
from touchline.registry.release.releases import Families, Release, Releases, no_families
from touchline.registry.release.transforms import TRANSFORMS

# The files of a run that its release copies. The others (predictions, evaluation) are not needed to serve.
_COPIED_FOLDERS: Final = ("model/", "code/", f"{TRANSFORMS}/")
_COPIED_FILES: Final = frozenset(
    {"contract.schema.json", "profile.npz", "examples.npz", "examples.parquet", "lineage.json"}
)


def build_release(registry: Registry, version: ModelVersion, families: Families = no_families) -> Release:
    """Write the version's bundle, unless it is there, and prove that it loads.

    Its row is written with the stage change that needs it (`Releases.record`), so nothing points to half a bundle.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        digest = _assemble(registry, version, folder)
        # Before anything is stored: a bundle that fails its own self-test never gets a place.
        identifier = Releases(registry, families).load(folder, project=version.project, digest=digest).id
        object_key = f"{version.project}/releases/{identifier}"
        _write_files(registry, folder, object_key)
    path = registry.objects.local_path(object_key)
    return Release(identifier, version.project, version.version, digest, object_key, path)


def _assemble(registry: Registry, version: ModelVersion, folder: Path) -> str:
    prefix = f"{version.object_key}/"
    names = [key.removeprefix(prefix) for key in registry.objects.list(prefix)]
    if "facts.json" not in names:
        raise NotEvaluated(version.project, version.version, "files")
    for name in names:
        if name in _COPIED_FILES or name.startswith(_COPIED_FOLDERS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(registry.objects.read(prefix + name))
    facts = ReleaseManifest.from_bytes(registry.objects.read(f"{prefix}facts.json"))
    manifest = dataclasses.replace(
        facts,
        version=version.version,
        semantic_version=version.semantic_version,
        run_id=version.run_id,
    )
    (folder / BOM_FILE).write_bytes(ml_bom(manifest))
    manifest = dataclasses.replace(manifest, files=file_hashes(folder))
    (folder / "release.json").write_bytes(manifest.to_bytes())
    digest = digest_of(file_hashes(folder))
    (folder / DIGEST_FILE).write_text(digest + "\n", encoding="ascii")
    if registry.signing is not None:
        registry.signing.sign(folder, f"{version.project}-{version.version}")
    return digest


def _write_files(registry: Registry, folder: Path, object_key: str) -> None:
    """File by file, the digest last: a build that was cut off has none and is simply built again."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for path in sorted(files, key=lambda path: path.name == DIGEST_FILE and path.parent == folder):
        registry.objects.write_file(f"{object_key}/{path.relative_to(folder).as_posix()}", path)
