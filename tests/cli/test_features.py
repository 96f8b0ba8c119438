"""`touchline features`, as a person types it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Cli, a_shop
from tests.serving.builders import on_loopback, wait_for
from touchline.cli.opening import open_home
from touchline.cli.processes.apps import create_serving_app
from touchline.errors import NothingNamed, ViewNotFound
from touchline.features import ServedView
from touchline.project import load_project

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The shop, ingested and not trained."""
    with a_shop(tmp_path_factory.mktemp("features")) as shop:
        shop.run("ingest")
        yield shop


def test_a_view_is_computed_materialized_looked_up_and_taken_away(shop: Cli) -> None:
    (computed,) = shop.json("features", "compute")
    assert (computed["view"], list(computed["snapshots"])) == ("spending", ["visits"])
    shop.run("features", "invalidate", "spending")
    assert shop.json("features", "get", "spending", "customer=c11")["status"] == "missing"
    (done,) = shop.json("features", "materialize", "spending")
    assert (done["rows"], done["written"]) == (40, 40)
    assert shop.json("features", "get", "spending", "customer=c11")["status"] == "present"
    assert shop.json("features", "invalidate", "spending", "customer=c11")["rows"] == 1
    assert shop.json("features", "get", "spending", "customer=c11")["status"] == "missing"
    assert shop.json("features", "get", "spending", "customer=c12")["status"] == "present"


def test_statistics_name_the_sources_and_the_distribution(shop: Cli) -> None:
    (found,) = shop.json("features", "stats")
    assert list(found["sources"]) == ["visits"]
    (feature,) = found["features"]
    assert (feature["name"], feature["count"], feature["nulls"]) == ("usual", 40, 0)
    assert "usual" in shop.run("features", "stats", "spending")


def test_a_view_nobody_declared_names_its_neighbour(shop: Cli) -> None:
    for words in (["compute", "spendin"], ["get", "spendin", "customer=c1"], ["stats", "spendin"]):
        with pytest.raises(ViewNotFound, match="Did you mean 'spending'"):
            shop.run("features", *words)
    with pytest.raises(NothingNamed):
        shop.run("features", "invalidate")


def test_what_was_served_is_verified_and_a_skewed_value_is_found(cli: Cli) -> None:
    folders = [Path("projects/shop").absolute()]
    questions = [{"customer": f"c{number}"} for number in range(40)]

    def ask() -> list[str]:
        app = create_serving_app(open_home(), folders, host="127.0.0.1")
        with on_loopback(app) as url, httpx.Client(base_url=url, timeout=60) as client:
            for question in questions:
                # A machine that is busy with other tests may refuse one now and then.
                wait_for(lambda asked=question: client.post("/predict", json=asked).is_success, seconds=60)
            return [line for line in client.get("/metrics").text.splitlines() if "feature_skew" in line]

    assert ask() == []
    report = cli.json("features", "verify", "--all")
    assert (report["checked"], report["matched"], report["mismatched"]) == (40, 40, 0)
    assert any("touchline_feature_skew_rate" in line and line.endswith(" 0.0") for line in ask())
    # A value that history does not know, under the stamps that it has there.
    online = open_home().online
    view = load_project(folders[0], base=Path.cwd()).project.feature_views[0]
    served = ServedView.of("shop", view.on("customer"))
    key = served.key({"customer": "c11"})
    assert key is not None
    (packed,) = online.read([key])
    assert packed is not None
    event, created, (usual,) = served.layout.unpack(packed, key)
    online.write([(key, served.layout.pack(event, created, (usual + 1,)))])
    ask()
    report = cli.json("features", "verify", "--all", code=1)
    assert (report["checked"], report["mismatched"], report["by_column"]) == (120, 1, {"usual": 1})


def test_feast_knows_the_project_after_apply(shop: Cli) -> None:
    done = shop.json("features", "apply")
    assert (done["views"], done["entities"], done["service"]) == (["spending"], ["customer"], "shop")
    assert (Path(done["folder"]) / "feature_store.yaml").exists()
