"""Write the OpenAPI document of `/api`, from which the dashboard's client is generated.

python tools/api_document.py            write web/openapi.json
python tools/api_document.py --check    exit code 1 if it is not current
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fastapi import FastAPI

from touchline.api.app import include_named_routes

_FILE = Path(__file__).parents[1] / "web" / "openapi.json"


def main(arguments: list[str]) -> int:
    """The exit code."""
    text = document()
    if arguments == ["--check"]:
        if _FILE.read_text(encoding="utf-8") == text:
            print("web/openapi.json is current")
            return 0
        print("web/openapi.json is not that of the API: tools/web types")
        return 1
    _FILE.write_text(text, encoding="utf-8")
    return 0


def document() -> str:
    """The document as text. Its version is constant, so that a release changes no generated file."""
    app = FastAPI(title="touchline", version="0")
    include_named_routes(app)
    return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
