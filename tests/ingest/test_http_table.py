"""HTTP sources against a real server on loopback that answers by script."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.ingest.builders import COLUMNS, PROJECT, House, a_source, day
from touchline.clock import FrozenClock
from touchline.errors import RequestBudgetSpent, SourceFileUnreadable, SourceUnavailable
from touchline.ingest import Cursor, FetchContext, Fetched, HttpTable, NextLink, PageNumbers, read_log, requests_used
from touchline.ingest.providers.files import gunzipped
from touchline.ingest.providers.http_client import Credentials, PoliteClient, Politeness

NOW = day(1, month=6)
GAMES = [
    {"game_id": "a", "tipoff": "2020-01-01T00:00:00Z", "venue": "x", "points": 1},
    {"game_id": "b", "tipoff": "2020-01-02T00:00:00Z", "venue": None, "points": 2},
]
CSV = "game_id,tipoff,venue,points\na,2020-01-01T00:00:00Z,x,1\nb,2020-01-02T00:00:00Z,,2\n"


@dataclass(frozen=True)
class Reply:
    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Origin:
    """A server: the next replies in order, the last one for ever; what was asked of it."""

    replies: list[Reply] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                origin.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                reply = origin.replies.pop(0) if len(origin.replies) > 1 else origin.replies[0]
                unchanged = "etag" in reply.headers and self.headers.get("if-none-match") == reply.headers["etag"]
                self.send_response(304 if unchanged else reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                content = b"" if unchanged else reply.content
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def origin() -> Iterator[Origin]:
    found = Origin()
    server = ThreadingHTTPServer(("127.0.0.1", 0), found.handler())
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Fetch:
    """Fetches without sleeping: the pauses asked for are kept."""

    house: House
    pauses: list[float] = field(default_factory=list)

    def __call__(self, table: HttpTable, *, now: datetime = NOW) -> Fetched:
        return table.fetch(self.context(now))

    def context(self, now: datetime = NOW) -> FetchContext:
        return FetchContext(
            project=PROJECT,
            source="games",
            columns=tuple(COLUMNS),
            required=frozenset({"game_id", "tipoff"}),
            database=self.house.database,
            objects=self.house.stores.objects,
            clock=Standing(now),
            sleep=self.pauses.append,
        )


class Standing(FrozenClock):
    """Wall time stands still, too."""

    def wall(self) -> datetime:
        return self.instant


@pytest.fixture
def fetch(house: House) -> Fetch:
    return Fetch(house)


def ids(fetched: Fetched) -> list[str]:
    return fetched.frame["game_id"].to_list()


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        (Reply(GAMES, headers={"content-type": "application/json"}), {}),
        (Reply({"data": {"items": GAMES}}), {"records": "data.items"}),
        (Reply(CSV, headers={"content-type": "text/csv"}), {}),
        (Reply(CSV.replace(",", ";")), {"format": "csv", "delimiter": ";"}),
    ],
)
def test_json_and_csv_bring_the_same_rows(origin: Origin, house: House, reply: Reply, options: dict[str, Any]) -> None:
    origin.replies = [reply]
    report = house.ingest(a_source(provider=HttpTable(f"{origin.url}/games", **options)), now=NOW)
    assert [row[:3] for row in house.versions()] == [("a", "x", 1), ("b", None, 2)]
    assert report.manifest.request_count == 1
    assert report.manifest.files[0].name == f"{origin.url}/games"


def test_nested_and_mixed_json_becomes_columns(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [
        Reply([{"game_id": 1, "team": {"name": "A"}, "x": 1}, {"game_id": 2, "x": 2.5, "y": "t"}, {"y": 3}])
    ]
    frame = fetch(HttpTable(origin.url)).frame
    assert frame.to_dict(as_series=False) == {
        "game_id": [1, 2, None],
        "team.name": ["A", None, None],
        "x": [1.0, 2.5, None],
        "y": [None, "t", "3"],
    }


def test_a_failing_origin_is_asked_again_with_growing_jittered_pauses(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(status=500), Reply(status=503), Reply(status=429), Reply(GAMES)]
    assert ids(fetch(HttpTable(origin.url, backoff_seconds=1))) == ["a", "b"]
    bounds = [(0.5, 1), (1, 2), (2, 4)]
    assert all(low <= pause <= high for pause, (low, high) in zip(fetch.pauses, bounds, strict=True))


@pytest.mark.parametrize("header", ["7", "Mon, 01 Jun 2020 00:00:07 GMT"])
def test_retry_after_is_kept_in_seconds_and_as_a_date(origin: Origin, fetch: Fetch, header: str) -> None:
    origin.replies = [Reply(status=429, headers={"retry-after": header}), Reply(GAMES)]
    fetch(HttpTable(origin.url))
    assert fetch.pauses == [7.0]


def test_a_longer_pause_than_allowed_counts_as_down(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(status=503, headers={"retry-after": "3600"})]
    with pytest.raises(SourceUnavailable, match=r"answered 503 and asks to wait 3600 s, longer than the 120 s allowed"):
        fetch(HttpTable(origin.url))
    assert len(origin.asked) == 1


def test_an_origin_that_stays_down_is_given_up(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(status=502)]
    with pytest.raises(SourceUnavailable, match=r"/games failed 3 times, at last: it answered 502") as caught:
        fetch(HttpTable(f"{origin.url}/games?key=secret", retries=2))
    assert "secret" not in str(caught.value)
    assert (caught.value.temporary, caught.value.request_count) == (True, 3)


@pytest.mark.parametrize(("status", "step"), [(404, "Check the address"), (401, "Check the key and its rights")])
def test_a_refusal_is_not_asked_again(origin: Origin, fetch: Fetch, status: int, step: str) -> None:
    origin.replies = [Reply(status=status)]
    with pytest.raises(SourceUnavailable, match=rf"answered {status}\. {step}") as caught:
        fetch(HttpTable(origin.url))
    assert (len(origin.asked), caught.value.temporary) == (1, False)


def test_a_server_that_is_not_there_is_retried_and_named(fetch: Fetch) -> None:
    with pytest.raises(SourceUnavailable, match=r"http://127\.0\.0\.1:9/ failed 2 times, at last: ConnectError"):
        fetch(HttpTable("http://127.0.0.1:9/", retries=1))


def test_an_unchanged_answer_comes_from_the_cache(origin: Origin, house: House) -> None:
    origin.replies = [Reply(GAMES, headers={"etag": '"1"', "last-modified": "Mon, 01 Jun 2020 00:00:00 GMT"})]
    source = a_source(provider=HttpTable(origin.url))
    house.ingest(source, now=NOW)
    report = house.ingest(source, now=NOW)
    assert origin.asked[1][1]["if-none-match"] == '"1"'
    assert origin.asked[1][1]["if-modified-since"] == "Mon, 01 Jun 2020 00:00:00 GMT"
    assert report.message == "nothing new; 1 of 1 answers had not changed"
    origin.replies = [Reply([{**GAMES[0], "points": 5}], headers={"etag": '"2"'})]
    assert house.ingest(source, now=NOW).manifest.changed == 1


def test_requests_keep_the_pace(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(GAMES), Reply(GAMES[:1]), Reply([])]
    fetch(HttpTable(origin.url, pages=PageNumbers(), requests_per_second=4))
    assert fetch.pauses == [0.25, 0.25]


def test_pages_by_number_end_with_the_first_that_is_not_full(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(GAMES), Reply(GAMES[:1])]
    fetched = fetch(HttpTable(origin.url, params={"q": "1"}, pages=PageNumbers(size_param="n", size=2)))
    assert [path for path, _ in origin.asked] == ["/?q=1&page=1&n=2", "/?q=1&page=2&n=2"]
    assert (fetched.frame.height, fetched.request_count, len(fetched.files)) == (3, 2, 2)


def test_pages_by_link_header_by_path_and_by_cursor(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(GAMES, headers={"link": '</two>; rel="next", </one>; rel="prev"'}), Reply(GAMES[::-1])]
    assert fetch(HttpTable(f"{origin.url}/one", pages=NextLink())).frame.height == 4
    origin.replies = [Reply({"rows": GAMES, "next": "/two"}), Reply({"rows": GAMES, "next": None})]
    assert fetch(HttpTable(f"{origin.url}/one", records="rows", pages=NextLink(path="next"))).frame.height == 4
    origin.replies = [Reply({"rows": GAMES, "meta": {"after": "x1"}}), Reply({"rows": GAMES, "meta": {}})]
    fetch(HttpTable(origin.url, records="rows", pages=Cursor(param="after", path="meta.after")))
    assert [path for path, _ in origin.asked] == ["/one", "/two", "/one", "/two", "/", "/?after=x1"]


def test_the_days_requests_are_counted_warned_of_and_refused(
    origin: Origin, fetch: Fetch, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    origin.replies = [Reply(GAMES)]
    table = HttpTable(origin.url, daily_requests=5)
    messages = [fetch(table).message for _ in range(5)]
    assert messages == ["", "", "", *(f"{used} of the 5 requests allowed today are used" for used in (4, 5))]
    assert [record.getMessage() for record in caplog.records if record.name.startswith("touchline")] == [
        "nba.games: 4 of the 5 requests allowed today are used"
    ]
    with pytest.raises(RequestBudgetSpent, match=r"5 of the 5 requests allowed today are used\. Wait until 00:00 UTC"):
        fetch(table)
    assert (len(origin.asked), requests_used(house.database, PROJECT, "games", "2020-06-01")) == (5, 5)
    assert fetch(table, now=NOW + timedelta(days=1)).message == ""


def test_retries_count_as_requests(origin: Origin, fetch: Fetch) -> None:
    origin.replies = [Reply(status=500)]
    with pytest.raises(RequestBudgetSpent):
        fetch(HttpTable(origin.url, daily_requests=2))
    assert len(origin.asked) == 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("<html>down for maintenance</html>", headers={"content-type": "text/html"}), "it answered text/html"),
        (Reply('{"data": ', headers={"content-type": "application/json"}), "that is not JSON"),
        (Reply({"error": "later"}), "its answer has no list of records at 'the top'"),
        (Reply(status=404), "answered 404"),
    ],
)
def test_an_answer_that_makes_no_sense_is_named(origin: Origin, fetch: Fetch, reply: Reply, reason: str) -> None:
    origin.replies = [reply]
    with pytest.raises(SourceUnavailable, match=reason):
        fetch(HttpTable(origin.url))


def test_the_last_snapshot_stands_in_while_the_origin_is_down(origin: Origin, house: House) -> None:
    origin.replies = [Reply(GAMES)]
    source = a_source(provider=HttpTable(origin.url, retries=0))
    before = house.ingest(source, now=NOW).snapshot
    origin.replies = [Reply(status=500)]
    report = house.ingest(source, now=NOW)
    assert (report.status, report.snapshot, report.manifest.request_count) == ("fallback", before, 1)
    assert "the origin is not available: " in report.message
    assert f"Snapshot 1 of {before.created_at:%Y-%m-%d %H:%M} UTC stands in." in report.message
    assert read_log(house.database, PROJECT)[0].status == "fallback"


def test_without_a_snapshot_nothing_can_stand_in(origin: Origin, house: House) -> None:
    origin.replies = [Reply(status=500)]
    with pytest.raises(SourceUnavailable):
        house.ingest(a_source(provider=HttpTable(origin.url, retries=0)), now=NOW)
    assert read_log(house.database, PROJECT)[0].status == "failed"


def test_secrets_come_from_the_environment_and_stay_out_of_the_records(
    origin: Origin, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.replies = [Reply(GAMES, headers={"etag": '"1"'})]
    table = HttpTable(
        f"{origin.url}/games", header_variables={"authorization": "API_TOKEN"}, param_variables={"key": "API_KEY"}
    )
    with pytest.raises(SourceUnavailable, match="the environment variable API_TOKEN is not set"):
        house.ingest(a_source(provider=table), now=NOW)
    monkeypatch.setenv("API_TOKEN", "hush-1")
    monkeypatch.setenv("API_KEY", "hush-2")
    house.ingest(a_source(provider=table), now=NOW)
    assert origin.asked[0][0] == "/games?key=hush-2"
    assert origin.asked[0][1]["authorization"] == "hush-1"
    database = house.folder.parent / "touchline.db"
    stored = b"".join(path.read_bytes() for path in database.parent.glob("touchline.db*"))
    assert b"hush" not in stored


def test_a_frozen_project_still_counts_by_wall_time(origin: Origin, house: House) -> None:
    origin.replies = [Reply(GAMES)]
    before = f"{datetime.now(UTC):%Y-%m-%d}"
    house.ingest(a_source(provider=HttpTable(origin.url, daily_requests=9)), now=day(1, month=3))
    days = {before, f"{datetime.now(UTC):%Y-%m-%d}"}
    assert sum(requests_used(house.database, PROJECT, "games", one) for one in days) == 1


@pytest.mark.parametrize("way", ["redirect", "link"])
def test_keys_do_not_follow_to_another_host(
    origin: Origin, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("API_TOKEN", "t0ken")
    monkeypatch.setenv("API_KEY", "k3y")
    elsewhere = origin.url.replace("127.0.0.1", "localhost") + "/other"
    first = {
        "redirect": Reply(status=302, headers={"location": elsewhere}),
        "link": Reply(CSV, headers={"content-type": "text/csv", "link": f'<{elsewhere}>; rel="next"'}),
    }[way]
    second = CSV.replace("a,", "c,").replace("b,", "d,")
    origin.replies = [first, Reply(second, headers={"content-type": "text/csv"})]
    table = HttpTable(
        f"{origin.url}/games",
        header_variables={"x-api-key": "API_TOKEN"},
        param_variables={"key": "API_KEY"},
        pages=NextLink() if way == "link" else None,
    )
    fetch(table)
    (path, own), (other_path, other) = origin.asked
    assert ("key=k3y" in path, own["x-api-key"]) == (True, "t0ken")
    assert "k3y" not in other_path
    assert "x-api-key" not in other


POLITE = Politeness(retries=0, backoff_seconds=0, longest_wait_seconds=0, requests_per_second=None, daily_requests=None)


@pytest.mark.parametrize(
    "inside", ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "localhost"]
)
def test_a_public_origin_leads_nobody_to_an_address_inside(fetch: Fetch, origin: Origin, inside: str) -> None:
    own = Credentials("http://93.184.216.34/games")
    place = f"http://{inside}:{origin.url.rpartition(':')[2]}/secret"
    refused = r"leads to .*, which is no public address\. Declare that address"
    with (
        PoliteClient(fetch.context(), POLITE, own, headers={}, timeout_seconds=60) as client,
        pytest.raises(SourceUnavailable, match=refused),
    ):
        client.get(place)
    assert origin.asked == []


def test_a_body_without_an_end_is_given_up(fetch: Fetch, origin: Origin) -> None:
    origin.replies = [Reply("x" * 2_000_000)]
    own = Credentials(origin.url)
    with (
        PoliteClient(fetch.context(), POLITE, own, headers={}, timeout_seconds=60, most_bytes=1_000_000) as client,
        pytest.raises(SourceUnavailable, match="sent more than 1 MB"),
    ):
        client.get(origin.url)


def test_a_small_body_that_unpacks_to_a_large_one_is_given_up(fetch: Fetch, origin: Origin) -> None:
    packed = gzip.compress(b"x" * 20_000_000)
    assert len(packed) < 100_000
    origin.replies = [Reply(packed, headers={"content-encoding": "gzip"})]
    own = Credentials(origin.url)
    with (
        PoliteClient(fetch.context(), POLITE, own, headers={}, timeout_seconds=60, most_bytes=1_000_000) as client,
        pytest.raises(SourceUnavailable, match="sent more than 1 MB"),
    ):
        client.get(origin.url)
    with pytest.raises(SourceFileUnreadable, match="its gzip unpacks to more than 1 MB"):
        gunzipped(packed, "games.csv.gz", "p.games", most_bytes=1_000_000)
