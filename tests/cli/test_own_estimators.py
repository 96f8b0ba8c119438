"""Every command that opens a release opens one whose estimator only the project's own code has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.cli.conftest import Cli, a_shop
from tests.predictions.builders import a_row, write_rows
from touchline.cli.opening import open_project, open_version

pytestmark = pytest.mark.services

IMPORTS = """
from tests.registry.test_own_families import NearestFamily
from touchline import Candidate
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with a_shop(tmp_path_factory.mktemp("own")) as shop:
        path = shop.place / "projects" / "shop" / "project.py"
        code = path.read_text().replace(
            'candidates=["logistic"]', 'candidates=[Candidate(name="own", family=NearestFamily())]'
        )
        code = code.replace('gates=[Gate("accuracy", at_least=0.6), Gate.improves("log_loss")],', "gates=[],")
        path.write_text(code.replace("\n\nclass Visit(", IMPORTS + "\n\nclass Visit(", 1))
        shop.run("train")
        yield shop


def _log_an_answer(prediction_id: str) -> None:
    """An answer about a customer before the first materialization."""
    opened = open_project("shop")
    release = open_version(opened, "Production")
    view = release.views[0]
    status = {"feature_version": view.feature_version, "status": "missing", "event_timestamp": None, "watermark": None}
    vector = np.array([[np.nan]])
    row = a_row(
        prediction_id,
        release_id=release.id,
        entity_keys={"customer": "c1"},
        views={view.view: status},
        vector=vector.tobytes(),
        output=release.output(release.model.predict(vector)[0].tolist()),
    )
    write_rows(opened.stores.database, [row])


def test_replay_and_verification_open_it(cli: Cli) -> None:
    _log_an_answer("01JD9Z0V8RQ6W3M4T7K2X5B1NC")
    report = cli.json("replay", "-p", "shop")
    assert (report["replayed"], report["features"], report["mismatches"]) == (1, {"equal": 1}, [])
    assert cli.json("replay", "01JD9Z0V8RQ6W3M4T7K2X5B1NC")["matches"]
    verified = cli.json("features", "verify", "-p", "shop")
    assert (verified["checked"], verified["mismatched"]) == (1, 0)


def test_invalidation_by_model_opens_it(cli: Cli) -> None:
    cli.run("features", "materialize", "-p", "shop")
    assert cli.run("features", "invalidate", "--model", "Production", "-p", "shop")
