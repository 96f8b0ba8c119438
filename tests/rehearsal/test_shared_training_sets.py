"""Training sets that the processes of a rehearsal share: joined once, and never taken for those of other columns."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from touchline.features import build_training_set
from touchline.rehearsal.shared_training_sets import SharedTrainingSets

EXAMPLES = pl.DataFrame(
    {
        "example_id": ["a", "b", "c"],
        "cutoff": [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)],
        "label": [0.0, 1.0, 0.0],
        "age": [30.0, 40.0, 50.0],
        "size": [1.0, 2.0, 3.0],
    }
)


def test_a_set_of_other_columns_is_another_set(tmp_path: Path) -> None:
    sets = SharedTrainingSets(tmp_path)
    for inputs in (("age",), ("size",), ("age", "size"), ("age",)):
        built = sets.build(EXAMPLES, (), {}, inputs)
        assert built.hash == build_training_set(EXAMPLES, (), {}, inputs).hash
        assert [column.name for column in built.columns] == list(inputs)
    assert len(list(tmp_path.iterdir())) == 3  # the last one was read
