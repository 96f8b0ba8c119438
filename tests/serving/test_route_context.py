"""The routes of a project predict, read outcomes and store documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from tests.databases import a_database
from tests.serving.builders import NOW, Shelf, a_release, a_server, wait_for
from touchline.http.problems import NotFound
from touchline.serving import RouteContext
from touchline.serving.http.route_documents import RouteDocuments


def _slips(context: RouteContext) -> APIRouter:
    router, slips = APIRouter(), context.documents("slip")

    @router.post("/api/slips")
    def post_slip(rows: list[dict[str, Any]]) -> dict[str, Any]:
        ids = [prediction["prediction_id"] for prediction in context.predict(rows)]
        return {"id": slips.add({"ids": ids}, now=context.now()).id, "ids": ids}

    @router.get("/api/slips/{slip_id}")
    def get_slip(slip_id: str) -> dict[str, Any]:
        document = slips.find(slip_id)
        return {"labels": context.labels(document.body["ids"]), "created_at": document.created_at}

    return router


@pytest.mark.services
def test_a_route_of_a_project_learns_the_outcomes_of_what_it_predicted(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release()), routers=[_slips]) as server:
        client = server.client
        slip = client.post("/api/slips", json=[{"age": 40, "colour": "red"}, {"age": 20, "colour": "red"}]).json()
        first = slip["ids"][0]
        classes = client.get("/model-info").json()["classes"]
        outcome = {"prediction_id": first, "label": classes[0]}
        wait_for(lambda: client.post("/outcomes", json=outcome).status_code == 200)
        for prefix in ("", "/projects/shop"):
            stored = client.get(f"{prefix}/api/slips/{slip['id']}").json()
            assert stored["labels"] == {first: classes[0]}
            undeclared = client.get(f"{prefix}/api/slips/{slip['id']}", params={"day": "1"})
            assert (undeclared.status_code, "'field': 'day'" in str(undeclared.json())) == (422, True)
        missing = client.get("/api/slips/none")
        assert (missing.status_code, missing.json()["detail"]) == (404, "Project shop has no slip with the id 'none'.")


def test_documents_come_newest_first_and_keep_to_their_kind_and_project(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    slips, notes = RouteDocuments(database, "shop", "slip"), RouteDocuments(database, "shop", "note")
    # Ids of one millisecond have no order among themselves.
    stored = sorted((slips.add({"number": number}, now=NOW) for number in range(3)), key=lambda one: one.id)
    note = notes.add({"text": "late"}, now=NOW, about=stored[0].id)
    assert slips.newest(2) == [stored[2], stored[1]]
    assert slips.newest(2, before=stored[1].id) == [stored[0]]
    assert notes.about(stored[0].id) == [note]
    assert slips.about(stored[0].id) == []
    with pytest.raises(NotFound, match="Project other has no slip"):
        RouteDocuments(database, "other", "slip").find(stored[0].id)
    for unknown in ("none", note.id, "\x00" * 26):
        with pytest.raises(NotFound, match="has no slip with the id"):
            slips.newest(2, before=unknown)
    database.close()
