"""What the newest checks found on the release in Production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.monitoring import read_findings

if TYPE_CHECKING:
    from touchline.registry import Registry


def read_production_findings(project: str, stores: Registry) -> tuple[str, ...]:
    """Sentences on drift and an estimated loss above the reference, each with the next command."""
    state = stores.journal.state(project)
    return read_findings(stores.database, project, state.releases.get(state.production or 0))
