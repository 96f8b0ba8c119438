"""Pages that are repeated, missing or slow: refused, so that half a table never replaces a whole one."""

from __future__ import annotations

import pytest

from tests.ingest.test_http_table import GAMES, Fetch, Origin, Reply, fetch, ids, origin
from touchline.errors import SourceUnavailable
from touchline.ingest import Cursor, HttpTable, PageNumbers

__all__ = ["fetch", "origin"]
NUMBERED = PageNumbers(size=1)


def test_a_server_that_ignores_the_page_number_is_refused(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(GAMES[:1])]
    with pytest.raises(SourceUnavailable, match="its page 2 is the same as an earlier one"):
        fetch(HttpTable(origin.url, pages=NUMBERED))


def test_a_cursor_that_goes_round_is_refused(origin: Origin, fetch: Fetch) -> None:
    first, second = ({"data": GAMES[n : n + 1], "next_cursor": n + 1} for n in (0, 1))
    origin.replies = [Reply(first), Reply(second), Reply(first)]
    with pytest.raises(SourceUnavailable, match="its page 3 is the same as an earlier one"):
        fetch(HttpTable(origin.url, records="data", pages=Cursor()))


@pytest.mark.parametrize("total", [3, None, "many"])
def test_fewer_rows_than_the_origin_counts_are_refused(origin: Origin, fetch: Fetch, total: object) -> None:
    origin.replies = [Reply({"data": GAMES, "meta": {"total": total}})]
    with pytest.raises(SourceUnavailable, match=f"its pages have 2 rows, and 'meta.total' is {total}"):
        fetch(HttpTable(origin.url, records="data", total="meta.total"))


def test_all_rows_that_the_origin_counts_are_taken(origin: Origin, fetch: Fetch) -> None:
    pages = [{"data": [game], "total": 2} for game in GAMES]
    origin.replies = [*(Reply(page) for page in pages), Reply({"data": [], "total": 2})]
    assert ids(fetch(HttpTable(origin.url, records="data", total="total", pages=NUMBERED))) == ["a", "b"]
