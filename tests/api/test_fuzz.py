"""`/api` against its own document: whatever schemathesis makes up, no answer is a server error or undocumented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from httpx import Client
from hypothesis import HealthCheck, given, settings

if TYPE_CHECKING:
    import schemathesis

pytestmark = pytest.mark.services

_QUICKLY = settings(
    max_examples=4, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_no_made_up_request_breaks_the_api(client: Client, kind: str) -> None:
    import schemathesis

    mode = schemathesis.GenerationMode(kind)
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if not operation.path.startswith("/api/") or operation.path.startswith("/api/projects/"):
            continue  # the scoped forms are the same functions
        if mode.is_negative and not (list(operation.query) or operation.method == "post"):
            continue  # nothing of it can be asked wrongly

        @_QUICKLY
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            tried.add(case.operation.label)
            case.call_and_validate()

        check()
    assert "POST /api/features/{view}" in tried
