"""Which release answers: proven by requests to the running server, after a rollback or a promotion."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from touchline import errors, registry
from touchline.cli.server_client import api_url
from touchline.http.correlation import PROBE_ID
from touchline.http.statuses import NEEDS_KEY

if TYPE_CHECKING:
    from touchline.cli.opening import FoundProject, Home, OpenedProject

# Each on a connection of its own, so that several workers are asked.
_ANSWERS: Final = 8
_SECONDS: Final = 60.0
_REQUEST_SECONDS: Final = 15.0
_PAUSE: Final = 0.05
_LOOK_SECONDS: Final = 1.0
_REFUSED: Final = tuple(f"status {status}:" for status in NEEDS_KEY)  # asking again changes nothing


def probe_of(opened: OpenedProject | FoundProject) -> Callable[[str], str] | None:
    """Asks the server of this home; None where none runs."""
    address = urlsplit(api_url(opened.home))
    try:
        socket.create_connection((address.hostname or "", address.port or 80), timeout=_REQUEST_SECONDS).close()
    except TimeoutError:
        pass  # it runs and is busy: the probe says so if it stays busy
    except OSError:
        return None
    return lambda release: probe_release(opened, release)


def request_look(home: Home) -> None:
    """Have the running server read the journal now: it looks after each request for its health. None may run."""
    address = urlsplit(api_url(home))
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=_LOOK_SECONDS)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health", headers=_key_header(home.settings.api_key))
        connection.getresponse()


def probe_release(opened: OpenedProject | FoundProject, release_id: str) -> str:
    """Ask until 8 requests in a row are answered by the release; says how long that took. Raises `ProbeFailed`.

    The request is the example of the release; it is logged with the role "probe" and counts nowhere.
    """
    request_look(opened.home)
    release = registry.Releases(opened.home).find(release_id)
    body = release.read_manifest().example if release is not None else {}
    url = f"{api_url(opened.home)}/projects/{opened.name}/predict"
    started, in_a_row, last = time.monotonic(), 0, "no answer"
    first: float | None = None
    while time.monotonic() - started < _SECONDS:
        last = _request(url, body, opened.home.settings.api_key)
        if last.startswith(_REFUSED):
            break
        if last != release_id:
            in_a_row, first = 0, None
        else:
            in_a_row, first = in_a_row + 1, time.monotonic() - started if first is None else first
        if in_a_row == _ANSWERS and first is not None:
            return f"verified: {_ANSWERS} requests in a row were answered by release {release_id}, after {first:.1f} s"
        if last != release_id:
            time.sleep(_PAUSE)
    raise errors.ProbeFailed(opened.name, release_id, last, time.monotonic() - started)


def _key_header(key: str | None) -> dict[str, str]:
    return {} if key is None else {"X-API-Key": key}


def _request(url: str, body: Any, key: str | None) -> str:
    """The release that answers, or why none does."""
    import httpx

    headers = {"X-Correlation-Id": PROBE_ID} | _key_header(key)
    try:
        response = httpx.post(url, json=body, headers=headers, timeout=_REQUEST_SECONDS)
    except httpx.TransportError as failure:
        return f"no answer ({failure})"
    if not response.is_success:
        return f"status {response.status_code}: {response.text[:200]}"
    return str(response.json().get("release"))
