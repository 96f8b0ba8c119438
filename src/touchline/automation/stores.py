"""Everything that the work on one project reads and writes, opened once by the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from touchline.registry.journal.journal import Journal

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features import OnlineStore
    from touchline.registry import ReleaseKeys, Tracking
    from touchline.storage import Database, ObjectStore


@dataclass(frozen=True)
class Stores:
    """The stores of a home with the clock of a project; each room takes the Protocol of the part that it needs.

    The online store and MLflow cost an import or a connection, so each is opened when it is first used.
    """

    database: Database
    objects: ObjectStore
    clock: Clock
    open_online: Callable[[], OnlineStore]
    open_tracking: Callable[[], Tracking]
    signing: ReleaseKeys | None = None

    @cached_property
    def online(self) -> OnlineStore:
        return self.open_online()

    @cached_property
    def tracking(self) -> Tracking:
        return self.open_tracking()

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.database, self.clock)
