from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_TOOLS = Path(__file__).parents[2] / "tools"


@pytest.mark.parametrize(
    ("licence", "is_permissive"),
    [("MIT", True), ("MPL-2.0 AND (Apache-2.0 OR GPL-3.0)", True), ("MIT AND GPL-3.0", False), ("UNKNOWN", False)],
)
def test_every_part_of_a_licence_must_be_permissive(licence: str, is_permissive: bool) -> None:
    code = f"import check_security; print(check_security.is_permissive({licence!r}))"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=_TOOLS, text=True)
    assert printed.strip() == str(is_permissive)
