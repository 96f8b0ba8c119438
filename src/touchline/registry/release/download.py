"""A version's bundle to take away."""

from __future__ import annotations

import shutil
from pathlib import Path

from touchline.errors import FolderNotEmpty
from touchline.registry.journal.versions import Registry, read_version
from touchline.registry.release.build import build_release
from touchline.registry.release.load import verify_release
from touchline.registry.release.releases import Families, Releases, no_families


def download_release(
    registry: Registry, project: str, reference: str | int, folder: Path, families: Families = no_families
) -> Path:
    """Copy the version's release into `folder/<release id>` and verify it there; a version that never had one
    gets it built. Raises `FolderNotEmpty` rather than mixing two releases.
    """
    version = read_version(registry, project, reference)
    release = Releases(registry).find(version.release_id or "") or build_release(registry, version, families)
    target = folder / release.id
    if target.exists() and any(target.iterdir()):
        raise FolderNotEmpty(str(target))
    shutil.copytree(release.path, target, dirs_exist_ok=True)
    verify_release(target, release.digest)
    return target
