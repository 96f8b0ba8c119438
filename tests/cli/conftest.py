"""A home with two trained versions, and the command line in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.shop import write_shop
from tests.stores import built_once, with_tables
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
    with as_checkout(place) as shop:
        yield shop


@contextmanager
def as_checkout(place: Path) -> Iterator[Cli]:
    """The command line in a folder that has the shop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("TOUCHLINE_HOME", str(with_tables(place / "home")))
        yield Cli(place)


def _train(place: Path) -> None:
    with a_shop(place) as shop:
        shop.run("train")


def copy_of_trained(factory: pytest.TempPathFactory, place: Path) -> Path:
    """A folder with the shop as it is declared, trained and in Production."""
    return Path(shutil.copytree(built_once(factory, "trained-shop", _train), place))


def _train_twice(place: Path) -> None:
    with a_shop(place) as shop:
        project = shop.place / "projects" / "shop" / "project.py"
        text = project.read_text().replace("Project, SampleClock", "Project, Retrain, SampleClock")
        project.write_text(text.replace("    clock=", '    retrain=Retrain(refresh="rollout"),\n    clock='))
        shop.run("train")
        shop.run("clock", "advance", "2024-06-06")
        shop.run("train")


@pytest.fixture
def trained_shop(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The shop as it is declared, trained and in Production, for one test."""
    with as_checkout(copy_of_trained(tmp_path_factory, tmp_path / "shop")) as shop:
        yield shop


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The shop: ingested, trained and in Production, then newer data and a refresh that waits in Staging."""
    built = built_once(tmp_path_factory, "shop-with-two-versions", _train_twice)
    with as_checkout(Path(shutil.copytree(built, tmp_path_factory.mktemp("copy") / "shop"))) as shop:
        yield shop
