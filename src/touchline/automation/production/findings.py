"""What the newest checks found on the release in Production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.monitoring import LossWatch, read_findings, read_loss_watch

if TYPE_CHECKING:
    from touchline.registry import Registry


def read_production_watch(project: str, stores: Registry) -> LossWatch:
    """Whether a risen loss of the release in Production would open an incident, and why not."""
    state = stores.journal.state(project)
    return read_loss_watch(stores.database, project, state.releases.get(state.production or 0))


def read_alert_findings(project: str, stores: Registry) -> tuple[str, ...]:
    """The findings beside a list of incidents; the first says where no risen loss would be among these."""
    watch = read_production_watch(project, stores)
    alone = (watch.sentence,) if watch.state == "unwatched" else ()
    return alone + read_production_findings(project, stores)


def read_production_findings(project: str, stores: Registry) -> tuple[str, ...]:
    """Sentences on drift and an estimated loss above the reference, each with the next command."""
    state = stores.journal.state(project)
    return read_findings(stores.database, project, state.releases.get(state.production or 0))
