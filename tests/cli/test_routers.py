"""The declaration decides which routes of its own a project serves, whether its pipeline ran or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.serving.builders import on_loopback
from tests.shop import write_shop
from touchline.cli.opening import Home
from touchline.cli.processes.apps import create_serving_app
from touchline.settings import Settings

pytestmark = pytest.mark.services

ROUTER = """

def a_router():
    from fastapi import APIRouter

    router = APIRouter()

    @router.get("/opening-hours")
    def hours() -> dict[str, str]:
        return {"monday": "9 to 5"}

    return router

"""
WAYS = {
    "as a field": "project = Project(routers=[a_router],",
    "as unpacked fields": "project = Project(**{'routers': [a_router]},",
    "by a copy": "project = (lambda made: made.model_copy(update={'routers': (a_router,)}))(Project(",
}


def a_shop_with_a_router(place: Path, way: str) -> Path:
    write_shop(place)
    folder = place / "projects" / "shop"
    file = folder / "project.py"
    head, tail = file.read_text().split("project = Project(")
    tail = tail.rstrip() + ")\n" if way == "by a copy" else tail
    file.write_text(head + ROUTER + WAYS[way] + tail)
    return folder


def a_home(place: Path) -> Home:
    return Home(Settings(home=place / "home"), place)


@pytest.mark.parametrize("way", WAYS)
def test_a_declared_router_answers_before_any_pipeline_run(tmp_path: Path, way: str) -> None:
    folder = a_shop_with_a_router(tmp_path, way)
    app = create_serving_app(a_home(tmp_path), [folder], host="127.0.0.1")
    with on_loopback(app) as url:
        for path in ("/opening-hours", "/projects/shop/opening-hours"):
            response = httpx.get(f"{url}{path}", timeout=60)
            assert (response.status_code, response.json()) == (200, {"monday": "9 to 5"})


def test_a_declaration_that_cannot_be_loaded_costs_only_its_own_routes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_shop(tmp_path)
    folder = tmp_path / "projects" / "shop"
    (folder / "project.py").write_text("from .nowhere import project\n")
    app = create_serving_app(a_home(tmp_path), [folder], host="127.0.0.1")
    with on_loopback(app) as url:
        assert httpx.get(f"{url}/docs", timeout=60).status_code == 200
        assert httpx.get(f"{url}/opening-hours", timeout=60).status_code == 404
    assert "the routes of project shop are not served" in caplog.text


def test_serving_a_project_without_routers_leaves_its_code_and_polars_out(tmp_path: Path) -> None:
    write_shop(tmp_path)
    code = """
import sys
from pathlib import Path

from tests.serving.builders import on_loopback
from tests.cli.test_routers import a_home
from touchline.cli.processes.apps import create_serving_app
import httpx

place = Path(sys.argv[1])
with on_loopback(create_serving_app(a_home(place), [place / "projects" / "shop"], host="127.0.0.1")) as url:
    httpx.get(f"{url}/docs", timeout=60).raise_for_status()
print(*({"polars", "touchline_projects.shop"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.check_output(command, text=True, cwd=Path(__file__).parents[2]).split() == []
