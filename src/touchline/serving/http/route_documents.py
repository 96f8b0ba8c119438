"""The table of route documents: JSON that the routes of a project store. Rows are only added."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from touchline.http.problems import NotFound
from touchline.storage import Database
from touchline.storage.tables import route_documents
from touchline.storage.ulids import Ulids

_COLUMNS = route_documents.c
_ID = re.compile(r"[0-9A-Z]{26}")


@dataclass(frozen=True)
class RouteDocument:
    """One stored document. `about` is the id of the document that it adds to, if any."""

    id: str
    created_at: datetime
    about: str | None
    body: Mapping[str, Any]


class RouteDocuments:
    """The documents of one kind that one project's routes store. A change is a new document `about` the first."""

    def __init__(self, database: Database, project: str, kind: str) -> None:
        self._database, self._project, self._kind = database, project, kind

    def add(self, body: Mapping[str, Any], *, now: datetime, about: str | None = None) -> RouteDocument:
        """Store a document."""
        document = RouteDocument(Ulids().next(), now, about, body)  # routes run in several threads
        row = {"project": self._project, "kind": self._kind, **vars(document)}
        with self._database.begin() as connection:
            connection.execute(sa.insert(route_documents), [row])
        return document

    def find(self, document_id: str) -> RouteDocument:
        """The document of that id. Raises `NotFound`."""
        # PostgreSQL refuses some texts, such as one with a null character; none of them is an id.
        found = self._read(_COLUMNS.id == document_id, limit=1) if _ID.fullmatch(document_id) else []
        if not found:
            raise NotFound(f"Project {self._project} has no {self._kind} with the id {document_id!r}.")
        return found[0]

    def newest(self, limit: int, *, before: str | None = None) -> list[RouteDocument]:
        """The newest documents, newest first; with `before`, those older than the document of that id.

        Raises `NotFound` where `before` is no document of this kind.
        """
        if before is not None:
            self.find(before)
        return self._read(sa.true() if before is None else _COLUMNS.id < before, limit=limit)

    def about(self, document_id: str) -> list[RouteDocument]:
        """What was added to a document, oldest first."""
        return self._read(_COLUMNS.about == document_id)[::-1]

    def _read(self, condition: sa.ColumnElement[bool], limit: int | None = None) -> list[RouteDocument]:
        columns = (_COLUMNS.id, _COLUMNS.created_at, _COLUMNS.about, _COLUMNS.body)
        mine = sa.and_(_COLUMNS.project == self._project, _COLUMNS.kind == self._kind, condition)
        query = sa.select(*columns).where(mine).order_by(_COLUMNS.id.desc()).limit(limit)
        with self._database.connect() as connection:
            return [RouteDocument(*row) for row in connection.execute(query)]
