"""A home with two trained versions, and the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.shop import write_shop
from tests.stores import with_mlflow_tables
from touchline.cli.main import app
from touchline.errors import TouchlineError


@dataclass(frozen=True)
class Cli:
    """Commands as a person types them in a checkout, without the cost of a process for each."""

    place: Path

    def run(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, words)
        if isinstance(done.exception, TouchlineError):
            raise done.exception
        assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
        return done.output

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code))


@contextmanager
def a_shop(place: Path) -> Iterator[Cli]:
    """The shop in a home of its own, not ingested."""
    write_shop(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("TOUCHLINE_HOME", str(with_mlflow_tables(place / "home")))
        yield Cli(place)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The shop: ingested, trained and in Production, then newer data and a refresh that waits in Staging."""
    with a_shop(tmp_path_factory.mktemp("shop")) as shop:
        project = shop.place / "projects" / "shop" / "project.py"
        text = project.read_text().replace("Project, SampleClock", "Project, Retrain, SampleClock")
        project.write_text(text.replace("    clock=", '    retrain=Retrain(refresh="rollout"),\n    clock='))
        shop.run("train")
        shop.run("clock", "advance", "2024-06-06")
        shop.run("train")
        yield shop
