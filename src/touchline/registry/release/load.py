"""Loads a release: verified byte for byte, then tested on its stored examples. NumPy only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchline.errors import ReleaseTampered
from touchline.registry.release.digest import DIGEST_FILE, digest_of, file_hashes
from touchline.registry.release.families import families_of
from touchline.registry.release.loaded_release import LoadedRelease
from touchline.registry.release.manifest import ReleaseManifest
from touchline.registry.release.self_test import StoredExamples, validate_outputs, validate_transforms
from touchline.registry.release.transforms import TRANSFORMS, ReleaseTransform, release_transforms
from touchline.training import Family, Model


def load_release(
    folder: Path, *, digest: str | None = None, families: Mapping[str, Family] | None = None
) -> LoadedRelease:
    """The release in a folder. Raises `ReleaseTampered`, `ReleaseBroken`, or `UnknownPlugin` for an unknown estimator.

    `digest` is that of the record; without it the folder's own file is believed, which finds damage but not
    somebody who also rewrote that file. `families` are estimators that only the project's own code has.
    """
    hashes = _verified(folder, digest)
    manifest = _manifest(folder, hashes)
    estimator = _estimator(folder, manifest)
    own = families_of(folder / "model", families, estimator=estimator)
    model = Model.restore(folder / "model", own, estimator=estimator)
    transforms = _load_transforms(folder, manifest)
    examples = StoredExamples.read(folder)
    validate_outputs(folder, model, examples)
    validate_transforms(folder, transforms, manifest.columns, examples)
    return LoadedRelease(
        manifest=manifest,
        digest=digest_of(hashes),
        model=model,
        contract=_read_json(folder / "contract.schema.json"),
        transforms=transforms,
        background=examples.vectors,
        lineage=_read_json(folder / "lineage.json"),
    )


def verify_release(folder: Path, digest: str | None = None) -> str:
    """The digest of a folder that is byte for byte what was built, or `ReleaseTampered`."""
    hashes = _verified(folder, digest)
    _manifest(folder, hashes)
    return digest_of(hashes)


def _verified(folder: Path, digest: str | None) -> dict[str, str]:
    try:
        written = (folder / DIGEST_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as missing:
        raise ReleaseTampered(str(folder), DIGEST_FILE, actual="missing", expected="a digest") from missing
    hashes = file_hashes(folder)
    expected = digest or written
    if digest_of(hashes) != expected:
        what, actual, was = _first_difference(folder, hashes) or ("its digest", digest_of(hashes), expected)
        raise ReleaseTampered(str(folder), what, actual=actual[:12], expected=was[:12])
    if written != expected:
        raise ReleaseTampered(str(folder), DIGEST_FILE, actual=written[:12], expected=expected[:12])
    return hashes


def _first_difference(folder: Path, hashes: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The file that is not as release.json lists it, where release.json can still be read."""
    try:
        listed = ReleaseManifest.from_bytes((folder / "release.json").read_bytes()).files
    except (OSError, ValueError, KeyError, TypeError):
        return "release.json", "unreadable", "a manifest"
    for path in sorted({*listed, *hashes} - {"release.json"}):
        if listed.get(path) != hashes.get(path):
            return path, hashes.get(path, "missing"), listed.get(path, "no such file")
    return None


def _manifest(folder: Path, hashes: Mapping[str, str]) -> ReleaseManifest:
    try:
        manifest = ReleaseManifest.from_bytes((folder / "release.json").read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise ReleaseTampered(str(folder), "release.json", actual="unreadable", expected="a manifest") from wrong
    if dict(manifest.files) != {path: actual for path, actual in hashes.items() if path != "release.json"}:
        what, actual, was = _first_difference(folder, hashes) or ("release.json", "changed", "another")
        raise ReleaseTampered(str(folder), what, actual=actual[:12], expected=was[:12])
    return manifest


def _estimator(folder: Path, manifest: ReleaseManifest) -> Path:
    """The folder that the manifest names, which is one of the bundle's."""
    named = manifest.estimator_path
    if ".." in named.split("/") or not any(path.startswith(f"{named}/") for path in manifest.files):
        raise ReleaseTampered(str(folder), "estimator_path", actual=repr(named), expected="a folder of the bundle")
    return folder / named


def _read_json(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return document


def _load_transforms(folder: Path, manifest: ReleaseManifest) -> tuple[ReleaseTransform, ...]:
    sources = {name: (folder / TRANSFORMS / f"{name}.py").read_bytes() for name in manifest.transform_modules}
    return release_transforms(manifest.on_demand, sources)
