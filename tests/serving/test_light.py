"""The serving process stays light: what it must not import, and that it starts without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = ("pandas", "mlflow", "feast", "sklearn", "lightgbm", "polars", "scipy", "pyarrow", "torch")
_CODE = f"""
import sys
import tests.serving.builders
import touchline.serving.releases.journal_source, touchline.serving.http.app, touchline.serving.http.server
found = sorted(set({_HEAVY}) & set(sys.modules))
sys.exit(f"imported: {{found}}" if found else 0)
"""


@pytest.mark.services
def test_the_serving_process_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
