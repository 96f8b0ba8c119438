"""Requests that are counted, spaced out, retried and conditional."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from touchline.errors import RequestBudgetSpent, SourceUnavailable, without_passwords
from touchline.http.public_addresses import leads_inside
from touchline.ingest.providers.base import FetchContext, RawFile
from touchline.ingest.providers.http_cache import count_request, read_cached, write_cached

if TYPE_CHECKING:
    import httpx

_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_WARN_SHARE = 0.8
_LONGEST_BACKOFF_SECONDS = 60.0
_MOST_BYTES = 2 * 1024**3  # of a body, unpacked: one without an end would fill the memory
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Politeness:
    """The request rate, retries and timeouts for one origin."""

    retries: int
    backoff_seconds: float
    longest_wait_seconds: float
    requests_per_second: float | None
    daily_requests: int | None


@dataclass(frozen=True)
class Answer:
    """The body of one page, from the origin or, when it had not changed, from the cache."""

    url: str
    body: bytes
    content_type: str
    link: str
    file: RawFile
    from_cache: bool


@dataclass(frozen=True)
class Credentials:
    """Headers and parameters that only the declared address's own host may see, over the same scheme and port.

    A redirect or a link to the next page may lead to another one.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: str = ""

    def belong_to(self, url: httpx.URL | str) -> bool:
        """Whether the address is one of the declared host."""
        import httpx

        own, other = httpx.URL(self.url), httpx.URL(url)
        return (own.scheme, own.host, own.port) == (other.scheme, other.host, other.port)

    def withhold(self, request: httpx.Request) -> None:
        """Take the headers from a request that goes elsewhere."""
        if not self.belong_to(request.url):
            for name in self.headers:
                request.headers.pop(name, None)


class PoliteClient:
    """GET requests of one fetch."""

    def __init__(
        self,
        context: FetchContext,
        politeness: Politeness,
        credentials: Credentials,
        *,
        headers: Mapping[str, str],
        timeout_seconds: float,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        import httpx

        self._most_bytes = most_bytes
        self._context, self._politeness, self._credentials = context, politeness, credentials
        self._client = httpx.Client(
            headers={"user-agent": "touchline", **headers, **credentials.headers},
            timeout=timeout_seconds,
            follow_redirects=True,
            event_hooks={"request": [credentials.withhold, self._validate_destination]},
        )
        self._last_request_at: datetime | None = None
        self._used_today = 0
        self._cached = 0
        self.request_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, url: str, *, use_cache: bool = True) -> Answer:
        """The page at `url`. The parameters of the credentials are sent with it, and neither stored nor shown."""
        import httpx

        cached = read_cached(self._context, url) if use_cache else None
        secret = self._credentials.params if self._credentials.belong_to(url) else ""
        delay = f"{url}{'&' if '?' in url else '?'}{secret}" if secret else url
        response, body = self._get_with_retries(delay, cached.conditions() if cached else {})
        if response.status_code == httpx.codes.NOT_MODIFIED and cached is not None:
            self._cached += 1
            file = RawFile(_shown(url), cached.sha256, len(cached.body))
            return Answer(url, cached.body, "", "", file, from_cache=True)
        if response.status_code != httpx.codes.OK:
            raise self._refused(response)
        raw = self._context.keep(_shown(url), body)
        kind = response.headers.get("content-type", "")
        write_cached(self._context, url, raw, response.headers)
        return Answer(url, body, kind, response.headers.get("link", ""), raw, from_cache=False)

    def message(self) -> str:
        """Notes on the requests for the ingest report: unchanged pages, a budget nearly spent."""
        parts = [f"{self._cached} of {self.request_count} answers had not changed"] if self._cached else []
        budget = self._politeness.daily_requests
        if budget is not None and self._used_today >= _WARN_SHARE * budget:
            parts.append(f"{self._used_today} of the {budget} requests allowed today are used")
        return "; ".join(parts)

    def broken(self, reason: str) -> SourceUnavailable:
        """The error for an answer that makes no sense: the origin is taken to be down for now."""
        return SourceUnavailable(
            self._context.table,
            reason,
            "Look at the address in a browser.",
            temporary=True,
            request_count=self.request_count,
        )

    def _get_with_retries(self, url: str, conditions: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """The response, and its body where it is whole."""
        import httpx

        reason = ""
        for attempt in range(self._politeness.retries + 1):
            wait: float | None = None
            try:
                response, body = self._request(url, conditions)
            except httpx.TransportError as failure:
                reason = f"{type(failure).__name__}: {failure}".replace(url, _shown(url))
            else:
                if response.status_code not in _TRY_AGAIN:
                    return response, body
                reason = f"it answered {response.status_code}"
                wait = retry_after_seconds(response.headers.get("retry-after"), now=self._context.clock.wall())
            if attempt < self._politeness.retries:
                self._wait(attempt, wait, reason)
        times = self._politeness.retries + 1
        raise self._down(f"{_shown(url)} failed {times} times, at last: {reason}")

    def _request(self, url: str, conditions: dict[str, str]) -> tuple[httpx.Response, bytes]:
        self._spend_one()
        self._keep_the_pace()
        with self._client.stream("GET", url, headers=conditions) as response:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > self._most_bytes:
                    raise self._too_large(url)
        return response, bytes(body)

    def _too_large(self, url: str) -> SourceUnavailable:
        reason = f"{_shown(url)} sent more than {self._most_bytes / 1e6:,.0f} MB"
        return SourceUnavailable(
            self._context.table, reason, "Ask it for less, such as by pages.", request_count=self.request_count
        )

    def _validate_destination(self, request: httpx.Request) -> None:
        """Refuse to follow a public origin, by a redirect or a link, to an address inside the own network."""
        import httpx

        own, other = httpx.URL(self._credentials.url).host, request.url.host
        if own != other and leads_inside(own, other):
            raise SourceUnavailable(
                self._context.table,
                f"{_shown(self._credentials.url)} leads to {other}, which is no public address",
                "Declare that address itself if it is right.",
                request_count=self.request_count,
            )

    def _spend_one(self) -> None:
        """Count the request before it is made: one that is lost on the way counts with the origin, too."""
        budget = self._politeness.daily_requests
        day = self._context.clock.wall().astimezone(UTC).strftime("%Y-%m-%d")
        used = count_request(self._context, day, budget=budget)
        if used is None:
            assert budget is not None
            raise RequestBudgetSpent(self._context.table, budget, budget, request_count=self.request_count)
        self.request_count += 1
        self._used_today = used
        if budget is not None and used >= _WARN_SHARE * budget > used - 1:
            _log.warning("%s: %d of the %d requests allowed today are used", self._context.table, used, budget)

    def _keep_the_pace(self) -> None:
        rate, now = self._politeness.requests_per_second, self._context.clock.wall()
        if rate is not None and self._last_request_at is not None:
            left = 1 / rate - (now - self._last_request_at).total_seconds()
            if left > 0:
                self._context.sleep(left)
        self._last_request_at = self._context.clock.wall()

    def _wait(self, attempt: int, delay: float | None, reason: str) -> None:
        longest = self._politeness.longest_wait_seconds
        if delay is not None and delay > longest:
            raise self._down(f"{reason} and asks to wait {delay:.0f} s, longer than the {longest:g} s allowed")
        backoff = min(self._politeness.backoff_seconds * 2**attempt, _LONGEST_BACKOFF_SECONDS)
        # Jitter, so that many clients that failed together do not come back together.
        jittered = backoff * random.uniform(0.5, 1.0)
        self._context.sleep(max(delay, 0.0) if delay is not None else jittered)

    def _down(self, reason: str) -> SourceUnavailable:
        return SourceUnavailable(
            self._context.table,
            reason,
            "It is tried again at the next ingest.",
            temporary=True,
            request_count=self.request_count,
        )

    def _refused(self, response: httpx.Response) -> SourceUnavailable:
        code = response.status_code
        step = "Check the key and its rights." if code in (401, 403) else "Check the address in the provider."
        return SourceUnavailable(
            self._context.table, f"{_shown(str(response.url))} answered {code}", step, request_count=self.request_count
        )


def retry_after_seconds(header: str | None, *, now: datetime) -> float | None:
    """The pause that `Retry-After` asks for, in seconds or as a date; None when there is none to be read.

    >>> retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", now=datetime(2015, 10, 21, 7, 27, tzinfo=UTC))
    60.0
    """
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


def _shown(url: str) -> str:
    """An address without its parameters, which may hold keys, and without its password."""
    return without_passwords(url.split("?")[0])
