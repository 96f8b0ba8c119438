"""A request may have what the examples of the project have, so that an open game is predicted by its id."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tests.nba.builders import a_folder, a_result, module, nba
from touchline.features import ColumnSpec
from touchline.registry.release.request_schema import request_schema


def test_the_inputs_of_an_open_game_fit_the_request(tmp_path: Path) -> None:
    games, _ = module("game_files").read_games(a_folder(tmp_path, [a_result(score_away=None, score_home=None)]))
    task = nba().project.task
    rows = task.examples.function(games.lazy().with_columns(event_timestamp="tipoff")).collect()
    columns = [ColumnSpec(name, "number") for name in task.inputs]
    fields = request_schema("nba", task, columns, rows)["properties"]
    for name in task.inputs:
        assert rows[name].dtype == pl.Float64
        assert {"type": "number"} in fields[name]["anyOf"]
    assert fields["neutral"]["default"] == 0.0
