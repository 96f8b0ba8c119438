"""The chain behind a prediction, as far as its parts are still stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.predictions.builders import NOW, a_row, write_rows
from tests.registry.builders import a_registry
from touchline.predictions import Outcome, OutcomeRecords, trace
from touchline.storage import Database


@pytest.mark.parametrize("role", ["answer", "shadow"])
def test_a_prediction_whose_release_is_gone_still_has_its_request_and_outcome(
    database: Database, tmp_path: Path, role: str
) -> None:
    view = {"feature_version": "v1", "status": "present", "event_timestamp": None, "watermark": None}
    write_rows(database, [a_row("1", role=role, inputs={"age": 3}, views={"form:home": view}, example_id="e1")])
    OutcomeRecords(database, "shop").record([Outcome("yes", example_id="e1")], source="test", now=NOW)
    traced = trace(a_registry(database, tmp_path), "1")
    assert (traced.project, traced.inputs, traced.views[0].label) == ("shop", {"age": 3}, "form:home")
    assert (traced.release_id, traced.release_digest, traced.version, traced.sources) == ("one", None, None, ())
    assert traced.outcome is not None
    assert (traced.outcome.label, traced.outcome.source) == ("yes", "test")
