"""A release is exactly what was built, or it is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.damage import damage_file
from tests.registry.builders import a_trained
from touchline.errors import ReleaseBroken, ReleaseTampered
from touchline.registry import (
    Registry,
    Release,
    build_release,
    load_release,
    read_version,
    verify_release,
)
from touchline.registry.release.digest import DIGEST_FILE, digest_of, file_hashes
from touchline.registry.runs.run_files import write_files


@pytest.fixture
def release(two: Registry) -> Release:
    return build_release(two, read_version(two, "p", 1))


def rewritten_digest(folder: Path) -> None:
    """What somebody would do who also covers up the traces."""
    (folder / DIGEST_FILE).write_text(digest_of(file_hashes(folder)))


def test_the_bundle_has_the_files_the_design_names(release: Release) -> None:
    names = {path.relative_to(release.path).parts[0] for path in release.path.rglob("*")}
    expected = {
        "release.json",
        "contract.schema.json",
        "model",
        "profile.npz",
        "examples.parquet",
        "lineage.json",
        "transforms",
    }
    assert expected <= names
    assert not [path for path in release.path.rglob("*") if path.suffix in (".pkl", ".joblib", ".pickle")]


def test_building_again_gives_the_same_bundle(two: Registry, release: Release) -> None:
    again = build_release(two, read_version(two, "p", 1))
    assert (again.id, again.digest) == (release.id, release.digest)
    shutil.rmtree(release.path)
    assert build_release(two, read_version(two, "p", 1)).digest == release.digest


def test_a_loaded_release_predicts_as_its_model_did(release: Release) -> None:
    loaded = load_release(release.path, digest=release.digest)
    model = a_trained().result.model
    vectors = a_trained().result.self_test.vectors
    assert np.array_equal(loaded.model.predict(vectors), model.predict(vectors))
    assert (loaded.id, loaded.manifest.semantic_version, loaded.manifest.inputs[0]) == (release.id, "1.0.0", "signal")
    assert loaded.contract["required"] == ["signal", "group"]
    assert loaded.lineage["sources"] == {"rows": "abc"}


def test_the_transforms_of_a_release_run_without_the_project(release: Release) -> None:
    (transform,) = load_release(release.path).transforms
    made = transform({"signal": np.array([3.0]), "noise": np.array([1.0])})
    assert made["gap"].tolist() == [4.0]


def test_the_examples_read_well_for_people(release: Release) -> None:
    frame = pl.read_parquet(release.path / "examples.parquet")
    assert frame.columns == ["signal", "noise", "group", "gap", "output_no", "output_yes"]


@pytest.mark.parametrize(
    "name", ["model/model.json", "profile.npz", "transforms/tests.registry.scale.py", "lineage.json", "release.json"]
)
def test_a_changed_byte_anywhere_is_refused(release: Release, name: str) -> None:
    path = release.path / name
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReleaseTampered, match="was refused"):
        load_release(release.path, digest=release.digest)


def test_a_digest_that_was_cut_is_refused(release: Release) -> None:
    damage_file(release.path / "DIGEST", "cut")
    with pytest.raises(ReleaseTampered, match=r"DIGEST is \w{12}"):
        load_release(release.path, digest=release.digest)


def test_covering_up_a_change_is_found_by_the_digest_on_record(release: Release) -> None:
    (release.path / "transforms" / "tests.registry.transforms.py").write_text("def gap(columns):\n    return {}\n")
    rewritten_digest(release.path)
    with pytest.raises(ReleaseTampered, match=r"transforms/tests.registry.transforms.py is \w{12}, \w{12} was built"):
        load_release(release.path, digest=release.digest)


@pytest.mark.parametrize("change", ["added", "removed", "no digest"])
def test_a_file_more_or_less_is_refused(release: Release, change: str) -> None:
    if change == "added":
        (release.path / "model" / "extra.txt").write_text("x")
    elif change == "removed":
        (release.path / "lineage.json").unlink()
    else:
        (release.path / DIGEST_FILE).unlink()
    with pytest.raises(ReleaseTampered):
        verify_release(release.path)


def test_a_model_that_says_something_else_fails_the_self_test(release: Release) -> None:
    path = release.path / "examples.npz"
    with np.load(path) as stored:
        vectors, outputs = stored["vectors"], stored["outputs"]
    outputs[3] += 1e-6
    np.savez(path, vectors=vectors, outputs=outputs)
    manifest = (release.path / "release.json").read_text()
    was = load_files(manifest)["examples.npz"]
    (release.path / "release.json").write_text(manifest.replace(was, file_hashes(release.path)["examples.npz"]))
    rewritten_digest(release.path)
    with pytest.raises(ReleaseBroken, match=r"1 of 32 stored examples differ, by up to 1e-06"):
        load_release(release.path)


def load_files(manifest: str) -> dict[str, str]:
    import json

    files: dict[str, str] = json.loads(manifest)["files"]
    return files


def test_loading_a_release_needs_neither_mlflow_nor_pandas_nor_polars(release: Release) -> None:
    code = (
        "import sys, pathlib\n"
        "from touchline.registry import load_release\n"
        f"load_release(pathlib.Path({str(release.path)!r}), digest={release.digest!r})\n"
        "heavy = {'mlflow', 'feast', 'pandas', 'sklearn', 'polars', 'pyarrow', 'lightgbm', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def bundle_with(folder: Path, estimator_path: str) -> Path:
    """A bundle whose estimator lies in a folder of another name, and a manifest that names this one."""
    manifest = write_files(a_trained(), folder).manifest
    (folder / "model" / "estimator").rename(folder / "model" / "linear")
    manifest = replace(manifest, estimator_path=estimator_path, files=file_hashes(folder))
    (folder / "release.json").write_bytes(manifest.to_bytes())
    rewritten_digest(folder)
    return folder


def test_the_estimator_is_restored_from_where_the_manifest_says(tmp_path: Path) -> None:
    loaded = load_release(bundle_with(tmp_path, "model/linear"))
    assert loaded.manifest.estimator_path == "model/linear"


@pytest.mark.parametrize("path", ["model/estimator", "../model/linear", "model/../model/linear", "/tmp"])
def test_an_estimator_outside_the_bundle_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ReleaseTampered, match=f"estimator_path is '{path}', a folder of the bundle was built"):
        load_release(bundle_with(tmp_path, path))
