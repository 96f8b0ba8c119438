"""`/api`: what the dashboard and automation ask. Only `cli/` imports this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI

if TYPE_CHECKING:
    from touchline.features import OnlineStore
    from touchline.project import LoadedProject
    from touchline.storage import Database


def add_api(
    app: FastAPI,
    database: Database,
    *,
    load: Callable[[str], LoadedProject],
    online: Callable[[], OnlineStore],
) -> None:
    """Mount `/api` on the serving application."""
