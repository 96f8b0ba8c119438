"""LightGBM by its C library: the Python package's own numbers, to the last bit."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from touchline.errors import ModelDamaged
from touchline.training.estimators.base import Deadline, FitRequest, FitRows, Kind
from touchline.training.estimators.c_library import CLibrary
from touchline.training.estimators.lightgbm import LIGHTGBM, Lightgbm

Array = NDArray[np.float64]


def a_request(kind: Kind, *, validation: bool = False) -> FitRequest:
    random = np.random.default_rng(4)
    matrix = random.normal(size=(600, 4))
    matrix[:, 3] = random.integers(0, 5, 600)
    matrix[random.random((600, 4)) < 0.1] = np.nan
    score = np.nan_to_num(matrix[:, 0]) + random.normal(size=600)
    labels = {"binary": score > 0, "multiclass": np.digitize(score, [-0.5, 0.5]), "regression": score}[kind]
    rows = FitRows(matrix, labels.astype(float if kind == "regression" else np.int64))
    held = FitRows(matrix[:100], rows.labels[:100]) if validation else None
    params = {**LIGHTGBM.defaults(kind), "rounds": 30}
    return FitRequest(kind, 3 if kind == "multiclass" else 2, rows, held, params, 7, categorical=(3,))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_predictions_equal_the_packages_to_the_last_bit(kind: Kind, tmp_path: Path) -> None:
    import lightgbm

    request = a_request(kind)
    fitted = LIGHTGBM.fit(request)
    assert isinstance(fitted, Lightgbm)
    fitted.export(tmp_path)
    restored = LIGHTGBM.restore(tmp_path)
    theirs = np.asarray(lightgbm.Booster(model_str=fitted.text).predict(request.fit.matrix))
    expected = {"binary": np.stack([1 - theirs, theirs], axis=-1), "regression": theirs[:, None]}.get(kind, theirs)
    np.testing.assert_array_equal(restored.predict(request.fit.matrix), expected)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_row_alone_is_answered_as_it_is_among_others(kind: Kind) -> None:
    request = a_request(kind)
    fitted = LIGHTGBM.fit(request)
    together = fitted.predict(request.fit.matrix)
    alone = np.concatenate([fitted.predict(request.fit.matrix[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(alone, together[:50])


def test_contributions_add_up_to_the_raw_score() -> None:
    request = a_request("binary")
    fitted = LIGHTGBM.fit(request)
    assert isinstance(fitted, Lightgbm)
    said = fitted.predict(request.fit.matrix)[:, 1]
    np.testing.assert_allclose(fitted.contributions(request.fit.matrix)[:, 0].sum(axis=1), np.log(said / (1 - said)))


def test_early_stopping_settles_the_rounds() -> None:
    request = a_request("binary", validation=True)
    settled = LIGHTGBM.fit(request).settled
    assert 1 <= int(settled["rounds"]) <= 30


def test_a_fit_ends_when_its_time_is_up() -> None:
    from dataclasses import replace

    from touchline.errors import BudgetExceeded

    late = replace(a_request("binary"), deadline=Deadline(at=0.0, seconds=2.0))
    with pytest.raises(BudgetExceeded, match="lightgbm was not done within 2 s"):
        LIGHTGBM.fit(late)


def test_a_damaged_text_is_refused(tmp_path: Path) -> None:
    fitted = LIGHTGBM.fit(a_request("binary"))
    fitted.export(tmp_path)
    text = (tmp_path / "model.txt").read_text()
    (tmp_path / "model.txt").write_text(text.replace("tree_sizes=", "tree_sizes=9", 1).replace("Tree=", "Trie="))
    with pytest.raises(ModelDamaged, match="LightGBM cannot be used as a model"):
        LIGHTGBM.restore(tmp_path)


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(ModelDamaged, match="it has 4 columns, the matrix 3"):
        LIGHTGBM.fit(a_request("binary")).predict(np.zeros((1, 3)))


def test_a_function_that_the_installed_library_lacks_is_refused_when_it_opens() -> None:
    from touchline.training.estimators.lightgbm_library import _library_path

    with pytest.raises(ModelDamaged, match="has no function LGBM_Renamed; install the version that the release"):
        CLibrary("LightGBM", _library_path(), {"LGBM_Renamed": ()}, last_error="LGBM_GetLastError")


def test_a_call_with_other_arguments_than_declared_never_reaches_the_library() -> None:
    from touchline.training.estimators.lightgbm_library import _library

    with pytest.raises(ctypes.ArgumentError):
        _library().call("LGBM_BoosterLoadModelFromString", 7, None, None)
    with pytest.raises(TypeError, match="3 arguments"):
        _library().call("LGBM_BoosterLoadModelFromString", b"")
