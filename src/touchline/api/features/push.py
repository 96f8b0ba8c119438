"""`POST /features/{view}`: feature values pushed by a client."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from touchline import features
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.api.stored_fields import StoredValue
from touchline.errors import ViewNotFound

if TYPE_CHECKING:
    from touchline.features import FeatureView

router = APIRouter(tags=["features"])
MOST_ROWS = 1000


PushRow = Annotated[
    dict[str, StoredValue],
    Field(min_length=1, description="the view's join keys, all of them, and features by name"),
]


class PushBody(BaseModel):
    """Rows of join keys and features, with an `event_timestamp` if it is not now."""

    rows: list[PushRow] = Field(min_length=1, max_length=MOST_ROWS)


class PushReceipt(BaseModel):
    """The stored rows: `online_rows` are now the newest of their entity, `quarantined` ones broke the contract."""

    view: str
    rows: int
    online_rows: int
    quarantined: int
    created_timestamp: datetime = Field(description="the values are used from this time on")


@router.post("/features/{view}", summary="Push feature values to the online store and the history")
def post_features(
    project: ProjectOfRequest, view: Annotated[str, Path(description="feature view")], body: PushBody
) -> PushReceipt:
    """The values are used from now on, never for an earlier time, even if their `event_timestamp` is earlier."""
    declared = _view(project, view)
    stores = project.stores
    pushed = features.push(
        declared, body.rows, project=project.name, stores=stores, online=stores.online, clock=project.slot
    )
    return PushReceipt(
        view=declared.name,
        rows=pushed.rows,
        online_rows=pushed.written,
        quarantined=pushed.quarantined,
        created_timestamp=pushed.created_timestamp,
    )


def _view(project: RequestedProject, name: str) -> FeatureView:
    views = {view.name: view for view in project.declared.feature_views}
    if name not in views:
        raise ViewNotFound(name, views)
    return views[name]
