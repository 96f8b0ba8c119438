"""Tests that start servers, processes or MLflow are found by what they reach."""

from __future__ import annotations

import subprocess
import sys

from tests.mechanisms import starts_services
from tests.serving.builders import a_release, a_server
from tests.stores import with_tables


class Program:
    def run(self) -> None:
        subprocess.run([sys.executable, "--version"], check=True)


def _indirectly() -> None:
    Program().run()


def test_a_process_is_found_through_helpers_and_classes() -> None:
    assert starts_services((_indirectly,))
    assert starts_services((lambda: [_indirectly() for _ in "ab"],))


def test_servers_and_mlflow_are_found_and_plain_code_is_not() -> None:
    assert starts_services((a_server,))
    assert starts_services((with_tables,))
    assert not starts_services((a_release,))
