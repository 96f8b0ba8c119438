"""Build the documentation as pages, with a reference made from the code: every warning is a failure.

    python tools/build_docs.py             write build/docs-site
    python tools/build_docs.py --sources   write the pages' Markdown alone, into build/docs

The tools of requirements/docs.lock are installed into build/docs-tools on the first run.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from own_environment import install
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.cli import get_docs_for_click

import touchline
from touchline.cli.main import app

ROOT = Path(__file__).parents[1]
SOURCES, SITE = ROOT / "build" / "docs", ROOT / "build" / "docs-site"
TOOLS, LOCK = ROOT / "build" / "docs-tools", ROOT / "requirements" / "docs.lock"
_LONGEST_DEFAULT = 100
# The order of the pages; a page of docs/ that is missing here is a failure.
PAGES = {
    "Start": ["index", "guide", "operations", "coming_from", "tables"],
    "Reference": ["reference_declaration", "reference_commands", "reference_http", "declaration", "stability"],
    "Parts": ["data", "providers", "feast", "mlflow", "serving", "rollout", "monitoring", "alerts"],
    "The loop": ["automation", "rehearsal", "dashboard"],
    "Production": ["deployment", "backup", "security", "scale"],
    "Projects": ["football", "jackpots", "nba", "leads"],
    "Behind it": ["architecture", "dependencies", "changelog"],
}


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    write_sources(SOURCES)
    listed = {name for names in PAGES.values() for name in names}
    found = {path.stem for path in SOURCES.glob("*.md")}
    if listed != found:
        print(f"pages: tools/build_docs.py lists {sorted(listed - found)} in vain, and lacks {sorted(found - listed)}")
        return 1
    if "--sources" in arguments:
        return 0
    install(TOOLS, LOCK)
    settings = SOURCES.parent / "mkdocs.yml"
    settings.write_text(json.dumps(_settings(), indent=1), encoding="utf-8")  # JSON is YAML
    command = [TOOLS / "bin" / "mkdocs", "build", "--strict", "--quiet", "--config-file", settings]
    code = subprocess.run(command, check=False).returncode
    if code == 0:
        print(f"{SITE.relative_to(ROOT)}: {len(found)} pages")
    return code


def write_sources(folder: Path) -> None:
    """Write every page as Markdown: those of docs/, the README, the changelog and the reference."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    texts = {path: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    texts[folder / "index.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
    texts[folder / "changelog.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for path, text in texts.items():
        path.write_text(_with_links_of_pages(text), encoding="utf-8")
    (folder / "reference_declaration.md").write_text("\n".join(declaration_reference()), encoding="utf-8")
    (folder / "reference_commands.md").write_text(command_reference(), encoding="utf-8")
    (folder / "reference_http.md").write_text("\n".join(http_reference()), encoding="utf-8")


def declaration_reference() -> Iterator[str]:
    """Every name of `from touchline import …`, with its fields or its signature."""
    yield "# Reference: the declaration\n"
    yield "What a `project.py` imports from `touchline`, by name; [declaration](declaration.md) explains it.\n"
    for name in sorted(touchline.__all__):
        found = getattr(touchline, name)
        yield f"## `{name}`\n"
        if not found.__module__.startswith("touchline."):
            yield f"That of `{found.__module__.partition('.')[0]}`.\n"
            continue
        is_model = isinstance(found, type) and issubclass(found, BaseModel)
        if not is_model:
            yield f"```python\n{name}{inspect.signature(found)}\n```\n"
        yield _with_fenced_examples(inspect.getdoc(found) or "")
        if is_model and found.model_fields:
            yield "| field | type | default |\n|---|---|---|"
            yield "\n".join(_field(found, *one) for one in found.model_fields.items()) + "\n"


def _field(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    """A row of the table of fields: the type as the source has it."""
    kind = next(vars(one)["__annotations__"][name] for one in model.__mro__ if name in vars(one)["__annotations__"])
    default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
    if len(default) > _LONGEST_DEFAULT:
        default = f"as `{model.__name__}` has it"
    cells = (one.replace(" | ", " \\| ").replace("datetime.", "") for one in (f"`{name}`", f"`{kind}`", default))
    return f"| {' | '.join(cells)} |"


def _with_fenced_examples(text: str) -> str:
    """Examples begin with `>>>` and end with an empty line."""
    parts = re.split(r"(?m)^(>>> .*(?:\n(?!\n).+)*)", text)
    return "".join(f"```python\n{part}\n```" if part.startswith(">>>") else part for part in parts) + "\n"


def command_reference() -> str:
    """Every command with its options, from the commands' own help."""
    command = typer.main.get_command(app)
    text: str = get_docs_for_click(obj=command, ctx=typer.Context(command), name="touchline")
    return text.replace("# `touchline`", "# Reference: commands", 1)


def http_reference() -> Iterator[str]:
    """Every route of `/api` with its parameters; the server's own `/docs` has the fields too."""
    document: dict[str, Any] = json.loads((ROOT / "web" / "openapi.json").read_text(encoding="utf-8"))
    yield "# Reference: HTTP\n"
    yield "The routes of `/api`. Those of predictions are in [serving](serving.md); the fields of every answer are at"
    yield "`/docs` of a running server, and in its `/openapi.json`.\n"
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            by_tag.setdefault(route["tags"][0], []).append(_route(method, path, route))
    for tag, lines in sorted(by_tag.items()):
        yield f"## {tag}\n"
        yield "| route | what it does | parameters |\n|---|---|---|"
        yield "\n".join(lines) + "\n"


def _route(method: str, path: str, route: dict[str, Any]) -> str:
    names = [f"`{one['name']}`" for one in route.get("parameters", ()) if one["in"] == "query"]
    return f"| `{method.upper()} {path}` | {route.get('summary', '').replace('|', ' ')} | {', '.join(names)} |"


def _with_links_of_pages(text: str) -> str:
    """Links between the README and docs/, as between pages of one folder; those to code become its path."""
    text = re.sub(r"\]\((?:\.\./)?README\.md", "](index.md", text)
    text = re.sub(r"\]\((?:\.\./)?CHANGELOG\.md", "](changelog.md", text)
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\[([^\]]*)\]\(((?:projects|src|deploy|benchmarks)/[^)]*)\)", r"\1 (`\2`)", text)


def _settings() -> dict[str, Any]:
    return {
        "site_name": "touchline",
        "docs_dir": str(SOURCES),
        "site_dir": str(SITE),
        "theme": {"name": "readthedocs"},
        "plugins": ["search"],
        "nav": [{title: [f"{name}.md" for name in names]} for title, names in PAGES.items()],
        "validation": {"links": {"anchors": "warn", "unrecognized_links": "warn"}},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
