"""On-demand transforms: a mapping of columns or named arguments in, one column or several out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.features.builders import day
from touchline.errors import InvalidView
from touchline.features import build_training_set, on_demand
from touchline.features.declaration.on_demand import apply_transforms

Column = NDArray[Any]
DAY = 86_400.0


def rest_days(last_match: Column, cutoff: Column, most: float = 30.0) -> Column:
    return np.minimum((cutoff - last_match) / DAY, most)


def gaps(home: Column, away: Column) -> Mapping[str, Column]:
    return {"gap": home - away, "ratio": home / away}


def of_columns(columns: Mapping[str, Column]) -> Mapping[str, Column]:
    return {"at": columns["cutoff"] + columns["home"]}


def test_arguments_name_the_inputs_and_one_array_has_the_name_of_the_function() -> None:
    transform = on_demand(rest_days)
    assert (transform.inputs, transform.outputs) == (("last_match", "cutoff"), ("rest_days",))
    assert on_demand()(gaps).outputs == ("gap", "ratio")
    columns = {"last_match": np.array([0.0, 0.0]), "cutoff": np.array([2 * DAY, 90 * DAY])}
    assert apply_transforms([transform], columns, 2)["rest_days"].tolist() == [2.0, 30.0]


def test_inputs_beside_named_arguments_are_the_same_names() -> None:
    assert on_demand(inputs=["home", "away"])(gaps).outputs == ("gap", "ratio")
    with pytest.raises(InvalidView, match="has the inputs home, guest, but its function takes home, away"):
        on_demand(inputs=["home", "guest"])(gaps)


def test_a_mapping_of_columns_holds_the_cutoff_where_it_is_an_input() -> None:
    transform = on_demand(inputs=["home", "cutoff"])(of_columns)
    columns = {"home": np.array([1.0]), "cutoff": np.array([5.0])}
    assert apply_transforms([transform], columns, 1)["at"].tolist() == [6.0]


@pytest.mark.parametrize("function", [lambda *columns: columns, lambda: 1, lambda x, /: x])
def test_arguments_that_name_no_input_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidView, match=r"which names no input.*Give it one argument for each input, or `inputs=`"):
        on_demand(function)


def test_a_training_set_gives_each_row_its_own_cutoff() -> None:
    stamps = [day(3), day(10)]
    examples = pl.DataFrame(
        {"example_id": ["a", "b"], "cutoff": stamps, "label": [0, 1], "label_timestamp": stamps, "last_match": day(1)}
    )
    training_set = build_training_set(examples, [], {}, ["last_match"], [on_demand(rest_days)])
    assert training_set.frame["rest_days"].to_list() == [2.0, 9.0]
    assert [column.name for column in training_set.columns] == ["last_match", "rest_days"]


def test_an_argument_that_is_no_model_column_is_told_with_those_that_are() -> None:
    with pytest.raises(InvalidView, match=r"takes 'last_match', which is no model column.*There are home, cutoff"):
        apply_transforms([on_demand(rest_days)], {"home": np.zeros(1), "cutoff": np.zeros(1)}, 1)
