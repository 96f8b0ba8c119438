"""Releases are signed in the OpenSSF model-signing format, and loaded only as they were signed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.registry.builders import a_registry, a_trained, sign_again
from touchline.errors import ReleaseTampered
from touchline.registry import Release, ReleaseKeys, Releases, build_release, record_version
from touchline.storage import Database

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, ReleaseKeys]]:
    """A signed release and the keys of its installation."""
    folder = tmp_path_factory.mktemp("signed")
    database = Database.open(f"sqlite:///{folder}/touchline.db")
    database.migrate()
    keys = ReleaseKeys(folder / "keys", is_required=True)
    registry = replace(a_registry(database, folder), signing=keys)
    version = record_version(registry, a_trained("logistic")).version
    first = build_release(registry, version)
    signature = (first.path / "model.sig").read_bytes()
    shutil.rmtree(first.path)
    again = build_release(registry, version)
    assert (again.path / "model.sig").read_bytes() == signature  # the same version is the same bytes
    yield again, keys
    database.close()


@pytest.fixture
def copy(built: tuple[Release, ReleaseKeys], tmp_path: Path) -> Path:
    return Path(shutil.copytree(built[0].path, tmp_path / built[0].path.name))


def _load(folder: Path, keys: ReleaseKeys, release: Release, digest: str | None = None) -> None:
    class NoStores:
        database = objects = None

    Releases(NoStores(), keys=keys).load(folder, project="p", digest=digest or release.digest)  # type: ignore[arg-type]


def test_a_release_loads_as_it_was_signed(built: tuple[Release, ReleaseKeys], copy: Path) -> None:
    release, keys = built
    _load(copy, keys, release)
    assert (keys.folder / "release-signing.pem").stat().st_mode & 0o777 == 0o600


def test_whoever_changes_a_release_and_its_digests_is_still_found(
    built: tuple[Release, ReleaseKeys], copy: Path
) -> None:
    """Also who can write the object store and the database: neither has the key."""
    release, keys = built
    examples = copy / "lineage.json"
    examples.write_bytes(examples.read_bytes().replace(b"{", b"{ ", 1))
    sign_again(copy)
    with pytest.raises(ReleaseTampered, match=r"DIGEST is|lineage.json is"):
        _load(copy, keys, release, (copy / "DIGEST").read_text().strip())


def test_a_signature_of_another_key_or_none_is_refused(
    built: tuple[Release, ReleaseKeys], copy: Path, tmp_path: Path
) -> None:
    release, keys = built
    ReleaseKeys(tmp_path / "theirs").sign(copy, "p-1")
    with pytest.raises(ReleaseTampered, match=r"model.sig is by key [0-9a-f]{12}, key [0-9a-f]{12} was built"):
        _load(copy, keys, release)
    (copy / "model.sig").write_text("{}")
    with pytest.raises(ReleaseTampered, match=r"model\.sig is no valid signature"):
        _load(copy, keys, release)
    (copy / "model.sig").unlink()
    with pytest.raises(ReleaseTampered, match=r"model\.sig is missing"):
        _load(copy, keys, release)
    _load(copy, ReleaseKeys(keys.folder), release)  # from before releases were signed


def test_a_new_key_leaves_older_releases_valid(built: tuple[Release, ReleaseKeys], copy: Path, tmp_path: Path) -> None:
    release, keys = built
    own = ReleaseKeys(Path(shutil.copytree(keys.folder, tmp_path / "keys")), is_required=True)
    before = (copy / "model.sig").read_bytes()
    own.rotate()
    _load(copy, own, release)
    own.sign(copy, "p-1")
    assert (copy / "model.sig").read_bytes() != before
    _load(copy, own, release)
    with pytest.raises(ReleaseTampered, match="by key"):
        _load(copy, keys, release)


@pytest.mark.skipif(find_spec("model_signing") is None, reason="pip install model-signing")
def test_the_command_line_of_model_signing_verifies_ours_and_finds_a_changed_byte(
    built: tuple[Release, ReleaseKeys], copy: Path
) -> None:
    _, keys = built
    public = next(keys.folder.glob("*.pub.pem"))
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(copy), "--signature"]
    command += [str(copy / "model.sig"), "--public_key", str(public)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    profile = copy / "profile.npz"
    content = profile.read_bytes()
    profile.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_the_bom_names_the_model_its_data_and_its_libraries(built: tuple[Release, ReleaseKeys]) -> None:
    bom = json.loads((built[0].path / "bom.cdx.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    model = bom["metadata"]["component"]
    assert (model["type"], model["name"]) == ("machine-learning-model", "p")
    card = model["modelCard"]["modelParameters"]
    assert card["datasets"] == [{"type": "dataset", "name": "training set two-1"}]
    assert [one["format"] for one in card["inputs"]] == [
        "signal (number)",
        "noise (number)",
        "group (category)",
        "gap (number)",
    ]
    assert {"numpy", "scikit-learn"} <= {one["name"] for one in bom["components"]}
