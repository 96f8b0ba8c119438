"""`POST /features/{view}`: values that a client knows first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from touchline.api.state import Chosen, ChosenProject
from touchline.errors import InvalidPush, ViewNotFound

if TYPE_CHECKING:
    from touchline.features import FeatureView

router = APIRouter(tags=["features"])
MOST_ROWS = 1000


class PushBody(BaseModel):
    """Rows of join keys, features and, where it is not now, `event_timestamp`."""

    rows: list[dict[str, str | int | float | bool | None]] = Field(min_length=1, max_length=MOST_ROWS)


class PushReceipt(BaseModel):
    """What was kept. `online_rows` were newest; `quarantined` broke the view's contract."""

    view: str
    rows: int
    online_rows: int
    quarantined: int
    created_timestamp: datetime = Field(description="from here on the values count")


@router.post("/features/{view}", summary="Push feature values, online and offline")
def post_features(
    chosen: ChosenProject, view: Annotated[str, Path(description="feature view")], body: PushBody
) -> PushReceipt:
    """They count from now on and never before, whatever their `event_timestamp` says."""
    from touchline.features import push

    declared = _view(chosen, view)
    rows = [_read(declared, number, row) for number, row in enumerate(body.rows)]
    stores = chosen.stores
    done = push(declared, rows, project=chosen.name, stores=stores, online=stores.online, clock=chosen.slot)
    return PushReceipt(
        view=declared.name,
        rows=done.rows,
        online_rows=done.written,
        quarantined=done.quarantined,
        created_timestamp=done.created_timestamp,
    )


def _view(chosen: Chosen, name: str) -> FeatureView:
    known = {view.name: view for view in chosen.declared.feature_views}
    if name not in known:
        raise ViewNotFound(name, known)
    return known[name]


def _read(view: FeatureView, number: int, row: dict[str, Any]) -> dict[str, Any]:
    """The row with its instants read: JSON has them as text."""
    instants = {feature.name for feature in view.features if feature.dtype == "timestamp"}
    return {name: _instant(view, number, name, value) if name in instants else value for name, value in row.items()}


def _instant(view: FeatureView, number: int, column: str, value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as wrong:
        raise InvalidPush(view.name, number, column, value, "an instant such as 2024-05-01T12:00:00Z") from wrong
    if found.tzinfo is None:
        raise InvalidPush(view.name, number, column, value, "an instant with a time zone")
    return found
