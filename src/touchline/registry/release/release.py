"""A release as it is loaded: verified byte for byte, then proven on its stored examples. NumPy only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import ReleaseBroken, ReleaseTampered
from touchline.registry.release.digest import DIGEST_FILE, digest_of, file_hashes
from touchline.registry.release.families import families_of
from touchline.registry.release.manifest import OnDemandCode, ReleaseManifest
from touchline.training import Family, Model

# What was built and what is loaded may differ by rounding in another build of a library, by no more.
SELF_TEST_TOLERANCE: Final = 1e-9

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Transform:
    """An on-demand transform out of the release's own code."""

    name: str
    inputs: tuple[str, ...]
    function: Callable[[Columns], Columns]

    def __call__(self, columns: Columns) -> Columns:
        return self.function(columns)


@dataclass(frozen=True)
class LoadedRelease:
    """A release that has proven itself. Its folder never changes."""

    id: str
    digest: str
    folder: Path
    manifest: ReleaseManifest
    model: Model
    transforms: tuple[Transform, ...]

    @cached_property
    def contract(self) -> dict[str, Any]:
        """The JSON Schema of a request row: entity keys and inputs."""
        found: dict[str, Any] = json.loads((self.folder / "contract.schema.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def lineage(self) -> dict[str, Any]:
        """The snapshots, feature histories and training set behind the model."""
        found: dict[str, Any] = json.loads((self.folder / "lineage.json").read_text(encoding="utf-8"))
        return found


def release_id(project: str, version: int, digest: str) -> str:
    """A release is named by what it holds."""
    return f"{project}-{version}-{digest[:16]}"


def load_release(
    folder: Path, *, digest: str | None = None, families: Mapping[str, Family] | None = None
) -> LoadedRelease:
    """The release in a folder, or `ReleaseTampered` or `ReleaseBroken`.

    `digest` is what the record says; without it the folder's own word is taken, which finds damage but not
    somebody who also rewrote it. `families` are estimators that only the project's own code has.
    """
    hashes = _verified(folder, digest)
    manifest = _manifest(folder, hashes)
    estimator = _estimator(folder, manifest)
    own = families_of(folder / "model", families, estimator=estimator)
    model = Model.restore(folder / "model", own, estimator=estimator)
    _self_test(folder, model)
    found = digest_of(hashes)
    return LoadedRelease(
        id=release_id(manifest.project, manifest.version, found),
        digest=found,
        folder=folder,
        manifest=manifest,
        model=model,
        transforms=load_transforms(folder, manifest.on_demand),
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
        raise ReleaseTampered(str(folder), DIGEST_FILE, found="missing", expected="a digest") from missing
    hashes = file_hashes(folder)
    expected = digest or written
    if digest_of(hashes) != expected:
        what, found, was = _first_difference(folder, hashes) or ("its digest", digest_of(hashes), expected)
        raise ReleaseTampered(str(folder), what, found=found[:12], expected=was[:12])
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
        raise ReleaseTampered(str(folder), "release.json", found="unreadable", expected="a manifest") from wrong
    if dict(manifest.files) != {path: found for path, found in hashes.items() if path != "release.json"}:
        what, found, was = _first_difference(folder, hashes) or ("release.json", "changed", "another")
        raise ReleaseTampered(str(folder), what, found=found[:12], expected=was[:12])
    return manifest


def _estimator(folder: Path, manifest: ReleaseManifest) -> Path:
    """The folder that the manifest names, which is one of the bundle's."""
    named = manifest.estimator_path
    if ".." in named.split("/") or not any(path.startswith(f"{named}/") for path in manifest.files):
        raise ReleaseTampered(str(folder), "estimator_path", found=repr(named), expected="a folder of the bundle")
    return folder / named


def _self_test(folder: Path, model: Model) -> None:
    with np.load(folder / "examples.npz", allow_pickle=False) as stored:
        vectors, expected = stored["vectors"], stored["outputs"]
    found = model.predict(vectors)
    if found.shape != expected.shape:
        raise ReleaseBroken(str(folder), rows=len(expected), of=len(expected), gap=np.inf, allowed=SELF_TEST_TOLERANCE)
    allowed = SELF_TEST_TOLERANCE * np.maximum(1.0, np.abs(expected))
    gap = np.abs(found - expected)
    broken = ~(gap <= allowed).all(axis=1)
    if broken.any():
        worst = float(np.nanmax(gap)) if np.isfinite(gap).any() else np.inf
        raise ReleaseBroken(
            str(folder), rows=int(broken.sum()), of=len(expected), gap=worst, allowed=SELF_TEST_TOLERANCE
        )


def load_transforms(folder: Path, declared: tuple[OnDemandCode, ...]) -> tuple[Transform, ...]:
    """The on-demand transforms of a verified bundle."""
    if not declared:
        return ()
    path = folder / "code" / "on_demand.py"
    names: dict[str, Any] = {"__name__": "touchline_release_on_demand"}
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    return tuple(Transform(transform.name, transform.inputs, names[transform.name]) for transform in declared)
