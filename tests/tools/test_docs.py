"""Every link of the documentation leads somewhere, and its pages are found from the README."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def _tokens(page: Path) -> list[Token]:
    return list(MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")))


def _links(page: Path) -> Iterator[str]:
    """The targets of links and pictures, without those to other sites."""
    for token in _tokens(page):
        for child in token.children or []:
            target = str(child.attrGet("href") or child.attrGet("src") or "")
            if target and not re.match(r"[a-z]+:", target):
                yield unquote(target)


@cache
def _anchors(page: Path) -> set[str]:
    """The names of the headings, as GitHub makes them: lower case, without signs, blanks as hyphens."""
    tokens = _tokens(page)
    texts = [after.content for before, after in itertools.pairwise(tokens) if before.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def _target(page: Path, link: str) -> tuple[Path, str]:
    path, _, anchor = link.partition("#")
    return (page.parent / path).resolve() if path else page, anchor


def test_every_link_leads_to_a_file_and_to_a_heading_of_it() -> None:
    broken = []
    for page in PAGES:
        for link in _links(page):
            file, anchor = _target(page, link)
            is_page = file.suffix == ".md"
            if not file.exists() or (anchor and is_page and anchor not in _anchors(file)):
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []


def test_every_page_is_found_from_the_readme() -> None:
    found, waiting = set(), [PAGES[0]]
    while waiting:
        page = waiting.pop()
        if page not in found and page in PAGES:
            found.add(page)
            waiting += [_target(page, link)[0] for link in _links(page)]
    assert [page.name for page in PAGES if page not in found] == []
