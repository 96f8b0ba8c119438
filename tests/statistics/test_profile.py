"""A profile holds what drift needs, and survives the way to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from touchline.errors import InvalidSample
from touchline.statistics import CategoryColumn, NumberColumn, Profile, build_profile


def a_profile(rows: int = 50, clusters: np.ndarray | None = None) -> Profile:
    rng = np.random.default_rng(1)
    vectors = np.column_stack([rng.normal(size=rows), rng.integers(0, 2, rows)])
    return build_profile(
        vectors,
        names=["gap", "team"],
        levels={"team": ["red", "blue"]},
        outputs={"p_win": rng.random(rows)},
        clusters=clusters,
    )


def test_counts_nulls_and_quantiles_are_exact() -> None:
    number, category = build_profile(
        [[1.0, 0.0], [np.nan, 1.0], [3.0, -1.0], [np.inf, np.nan]], names=["x", "c"], levels={"c": ["a", "b"]}
    ).columns
    assert isinstance(number, NumberColumn)
    assert (number.count, number.nulls, number.mean, number.std) == (2, 2, 2.0, 1.0)
    assert (number.quantiles[0], number.quantiles[100], len(number.quantiles)) == (1.0, 3.0, 101)
    assert category == CategoryColumn("c", False, ("a", "b"), (1, 1), unseen=1, nulls=1)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    written = a_profile()
    np.savez(tmp_path / "profile.npz", **written.to_arrays())
    with np.load(tmp_path / "profile.npz", allow_pickle=False) as stored:
        read = Profile.from_arrays(stored)
    assert (read.columns, read.rows, read.clusters) == (written.columns, 50, 50)
    assert np.array_equal(read.sample, written.sample, equal_nan=True)
    assert np.array_equal(read.sample_clusters, written.sample_clusters)


def test_features_and_outputs_are_told_apart() -> None:
    assert [column.name for column in a_profile().features] == ["gap", "team"]
    assert [column.name for column in a_profile().outputs] == ["p_win"]


def test_a_large_reference_is_sampled_by_whole_clusters() -> None:
    profile = a_profile(40_000, np.repeat(np.arange(4000), 10))
    sizes = np.unique(profile.sample_clusters, return_counts=True)[1]
    assert (profile.rows, profile.clusters, len(profile.sample)) == (40_000, 4000, 10_000)
    assert set(sizes.tolist()) == {10}


def test_a_few_large_clusters_are_thinned_out_rather_than_lost() -> None:
    profile = a_profile(40_000, np.repeat(np.arange(40), 1000))
    assert len(np.unique(profile.sample_clusters)) == 40
    assert len(profile.sample) == 10_000


def test_an_all_null_column_has_a_profile() -> None:
    (column,) = build_profile(np.full((5, 1), np.nan), names=["x"]).columns
    assert column == NumberColumn("x", False, 0, 5, 0.0, 0.0, ())


def test_a_profile_of_another_schema_says_to_retrain() -> None:
    arrays = a_profile().to_arrays()
    arrays["header"] = np.frombuffer(arrays["header"].tobytes().replace(b'"schema": 1', b'"schema": 9'), dtype=np.uint8)
    with pytest.raises(InvalidSample, match=r"schema 9\. Allowed: schema 1: train the model again"):
        Profile.from_arrays(arrays)


def test_names_must_fit_the_matrix() -> None:
    with pytest.raises(InvalidSample, match=r"shape \(1, 2\). Allowed: rows of 1 columns"):
        build_profile([[1.0, 2.0]], names=["x"])


def test_the_places_of_the_sample_name_its_rows_in_time_order() -> None:
    rows = np.arange(25_000.0)[:, None]
    profile = build_profile(rows, names=["x"])
    assert np.array_equal(rows[profile.sample_places], profile.sample)
    restored = Profile.from_arrays(profile.to_arrays())
    assert np.array_equal(restored.sample_places, profile.sample_places)


def test_a_profile_from_before_has_no_places_and_counts_as_independent() -> None:
    arrays = build_profile(np.arange(100.0)[:, None], names=["x"]).to_arrays()
    del arrays["sample_places"]
    assert len(Profile.from_arrays(arrays).sample_places) == 0
