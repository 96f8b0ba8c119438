"""The loss alarm goes on over refreshes, and over nothing else that the journal tells."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from touchline.automation.production.performance import refreshed_versions
from touchline.registry import StageChange

AT = datetime(2026, 1, 1, tzinfo=UTC)


def entered(*versions: tuple[int, bool | None]) -> list[StageChange]:
    """Versions that entered Production in turn; each a refresh or not, None: without gates."""
    changes = []
    for version, is_refresh in versions:
        report = None if is_refresh is None else {"passed": True, "is_refresh": is_refresh, "gates": []}
        changes += [
            StageChange("shop", 0, version, "None", "Staging", AT, AT, "ann", "", gate_report=report),
            StageChange("shop", 0, version, "Staging", "Production", AT, AT, "ann", ""),
        ]
    return changes


@pytest.mark.parametrize(
    ("history", "refreshed"),
    [
        ([], []),
        ([(1, False)], []),
        ([(1, False), (2, True), (4, True)], [2, 1]),
        ([(1, False), (2, True), (3, False), (4, True)], [3]),  # another recipe begins another model
        ([(1, False), (2, True), (1, None)], []),  # a rollback
        ([(1, False), (2, True), (1, None), (3, True)], [1]),
        ([(1, False), (2, None), (3, True)], [2]),  # a promotion without gates
    ],
)
def test_the_chain_of_refreshes_ends_where_another_model_began(
    history: list[tuple[int, bool | None]], refreshed: list[int]
) -> None:
    assert list(refreshed_versions(entered(*history))) == refreshed
