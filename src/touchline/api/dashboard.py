"""The dashboard: the files that `tools/web` builds, served at `/`, `/ui/…` and `/assets/…`.

They hold no data and need no key. Every page of the dashboard is a path below `/ui/`, which all answer with the one
start page; the page in the browser reads its path.
"""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from fastapi.responses import HTMLResponse

from touchline.http.problems import NotFound

router = APIRouter(include_in_schema=False)
_FOLDER: Final = files("touchline.api") / "static"
# The names of built files carry a hash of their content.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "cache-control": "no-cache",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


def start_page() -> HTMLResponse | None:
    """The start page; None where the dashboard is not built."""
    page = _FOLDER / "index.html"
    return HTMLResponse(page.read_text(encoding="utf-8"), headers=_HEADERS) if page.is_file() else None


@router.get("/ui/{path:path}")
def get_page(path: str) -> HTMLResponse:
    page = start_page()
    if page is None:
        raise NotFound(f"/ui/{path} is a page of the dashboard, which is not built here: tools/web build")
    return page


@router.get("/assets/{name}")
def get_asset(name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    file = _FOLDER / "assets" / name
    if "/" in name or "\\" in name or name.startswith(".") or not file.is_file():
        raise NotFound(f"/assets has no file {name!r}.")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"cache-control": _FOR_EVER, "vary": "accept-encoding", "x-content-type-options": "nosniff"}
    if "gzip" not in accept_encoding:
        return Response(file.read_bytes(), media_type=media_type, headers=headers)
    return Response(_compressed(name), media_type=media_type, headers={**headers, "content-encoding": "gzip"})


@lru_cache(64)
def _compressed(name: str) -> bytes:
    """A built file, compressed once: another content has another name."""
    return gzip.compress((_FOLDER / "assets" / name).read_bytes(), mtime=0)
