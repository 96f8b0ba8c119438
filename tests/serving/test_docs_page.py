"""The page of the routes needs no other machine."""

from __future__ import annotations

import re
from pathlib import Path

from tests.serving.builders import Shelf, a_release, a_server


def test_the_page_and_all_it_loads_come_from_this_server(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        page = server.client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert not [address for address in loaded if address.startswith(("http", "//"))]
        answers = {name: server.client.get(f"/{name}") for name in loaded if not name.startswith("data:")}
        assert {name: answer.status_code for name, answer in answers.items()} == {
            "docs/swagger-ui.css": 200,
            "docs/swagger-ui-bundle.js": 200,
        }
        assert "SwaggerUIBundle" in answers["docs/swagger-ui-bundle.js"].text
        assert server.client.get("/openapi.json").status_code == 200
        assert server.client.get("/docs/passwd").status_code == 404
