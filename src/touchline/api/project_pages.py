"""`/pages`: the pages that a project adds to the dashboard."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from touchline.api.state import ProjectOfRequest
from touchline.http.problems import NotFound
from touchline.project.pages import PageContent
from touchline.serving import RouteContext

router = APIRouter(tags=["pages"])


class PageLink(BaseModel):
    """A page of the project: the end of its address, and its title."""

    path: str
    title: str


class PageDocument(BaseModel):
    """A page with what it shows now."""

    path: str
    title: str
    content: PageContent


@router.get("/pages", summary="The pages that the project adds to the dashboard")
def get_pages(project: ProjectOfRequest) -> list[PageLink]:
    return [PageLink(path=page.path, title=page.title) for page in project.declared.pages]


@router.get("/pages/{page}", summary="A page of the project: its verdict and its parts")
def get_page(
    project: ProjectOfRequest,
    page: Annotated[str, Path(description="the path that the project declares")],
    item: Annotated[str | None, Query(max_length=200, description="the one thing that the page is to show")] = None,
) -> PageDocument:
    declared = next((one for one in project.declared.pages if one.path == page), None)
    if declared is None:
        paths = ", ".join(one.path for one in project.declared.pages) or "it declares none"
        raise NotFound(f"Project {project.name} has no page {page!r}. Its own pages: {paths}.")
    content = declared.content(RouteContext(project.api.serving, project.name), item)
    return PageDocument(path=declared.path, title=declared.title, content=content)
