"""The API against its own document: whatever schemathesis makes up, no answer is a server error.

The same requests are made in every run. `TOUCHLINE_TEST_FUZZ_SEED=5` makes up others, and ten times as many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.serving.builders import Ratings, Server, Shelf, a_match_release, a_release, a_server

if TYPE_CHECKING:
    import schemathesis

pytestmark = pytest.mark.services

_SEED = os.environ.get("TOUCHLINE_TEST_FUZZ_SEED")


def _tries(path: str) -> settings:
    """Many on the default project's routes; `/projects/NAME/…` are the same functions once more."""
    tries = 5 if path.startswith("/projects/") else 25
    return settings(
        max_examples=10 * tries if _SEED else tries,
        deadline=None,
        database=None,
        derandomize=_SEED is None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(params=["inputs", "keys"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    shelf = Shelf.of(a_release() if request.param == "inputs" else a_match_release())
    with a_server(tmp_path, shelf, reader=Ratings({"0": 1.0})) as running:
        yield running


def _leave_out_times(body: object) -> None:
    """Take away when labels became known: after now is refused, which no JSON Schema can say."""
    for one in body if isinstance(body, list) else [body]:
        if isinstance(one, dict):
            one.pop("label_timestamp", None)


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_no_made_up_request_breaks_the_document(server: Server, kind: str) -> None:
    import schemathesis

    mode = schemathesis.GenerationMode(kind)
    schema = schemathesis.openapi.from_url(f"{server.client.base_url}/openapi.json")
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode.is_negative and operation.method != "post":
            continue  # a GET without parameters cannot be asked wrongly

        @_tries(operation.path)
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            tried.add(case.operation.label)
            if not mode.is_negative:
                _leave_out_times(case.body)
            case.call_and_validate()

        (seed(int(_SEED))(check) if _SEED else check)()
    assert "POST /predict" in tried
