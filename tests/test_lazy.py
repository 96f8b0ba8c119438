"""Lazily exported names keep their meaning whatever was imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.services


@pytest.mark.parametrize(
    "first", ["touchline.features.declaration.on_demand", "touchline.features.offline.examples", "touchline.features"]
)
def test_a_submodule_never_hides_an_exported_name(first: str) -> None:
    code = f"import {first}; from touchline import examples, on_demand; print(callable(examples), callable(on_demand))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "True"]


def test_the_command_line_loads_nothing_heavy_before_it_knows_its_command() -> None:
    heavy = {"polars", "numpy", "sqlalchemy", "pydantic", "httpx", "scipy", "mlflow", "fastapi"}
    code = f"import sys, touchline.cli.main; print(*sorted({heavy} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


def test_a_rollback_waits_for_no_import_that_only_other_commands_need() -> None:
    heavy = {"polars", "dataframely", "mlflow", "sklearn", "scipy", "httpx", "fastapi"}
    code = (
        "import sys, touchline.cli.main; from touchline import registry, rollout; registry.rollback, rollout.steer; "
        f"print(*sorted({heavy} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
