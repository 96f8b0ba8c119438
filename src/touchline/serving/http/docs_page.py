"""`/docs` without the internet: Swagger UI from files that a package carries, not from another machine."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from touchline.http.problems import NotFound

_TYPES: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_NO_ICON: Final = "data:,"
_A_DAY: Final = "max-age=86400"


def docs_router(title: str) -> APIRouter:
    """The page that shows the OpenAPI document, and the two files it needs."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def get_page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=title,
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url=_NO_ICON,
        )

    @router.get("/docs/{name}")
    def get_file(name: str) -> Response:
        if name not in _TYPES:
            raise NotFound(f"/docs has no file {name!r}.")
        content = (files("fastapi_offline") / "static" / name).read_bytes()
        return Response(content, media_type=_TYPES[name], headers={"cache-control": _A_DAY})

    return router
