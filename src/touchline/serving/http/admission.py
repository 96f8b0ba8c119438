"""Admission of requests: API keys, rate limits, and refusal when the server is too busy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from touchline.http.api_keys import Role, is_loopback
from touchline.http.key_ring import OPEN, Caller, KeyRing
from touchline.http.problems import BodyTooLarge, ForeignOrigin, NotAllowed, NotAuthenticated, Overloaded, RateLimited
from touchline.serving.http.request_heads import RequestHead
from touchline.serving.http.state import Serving

_OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})
_PROJECT_PREFIX = re.compile(r"^/projects/[^/]+(?=/)")
# The dashboard's own files hold no data: they ask for a key, and read everything through /api.
_DASHBOARD_PATHS = ("/ui/", "/assets/")
_KEYS_PATH = re.compile(r"/api/keys(/|$)")
_SCORING_PATH = re.compile(r"/api(/projects/[^/]+)?/(predict|explain|outcomes|score)")
# Monitoring asks for these a few times a minute, and needs them most while the server is too busy for others.
_UNDER_ANY_LOAD = frozenset({"/health", "/metrics"})
Headers = Mapping[bytes, bytes]


class Buckets:
    """A token bucket a key: `per_second` on average, twice that at once."""

    def __init__(self, per_second: float | None) -> None:
        self.per_second = per_second
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str) -> None:
        """Take one token, or raise `RateLimited` with the seconds until there is one."""
        if self.per_second is None:
            return
        now, most = monotonic(), max(2 * self.per_second, 1.0)
        level, at = self._levels.get(key_id, (most, now))
        level = min(most, level + (now - at) * self.per_second)
        if level < 1.0:
            self._levels[key_id] = (level, now)
            raise RateLimited(self.per_second, math.ceil((1.0 - level) / self.per_second))
        self._levels[key_id] = (level - 1.0, now)


class Admission:
    """Lets a request in or raises the problem that keeps it out. Everything is decided in memory."""

    def __init__(self, serving: Serving, keys: KeyRing) -> None:
        self._serving, self._keys = serving, keys
        self._buckets = Buckets(serving.limits.requests_per_second)

    def admit(self, method: str, path: str, headers: Headers) -> Caller:
        """The caller, who may send this request, to a server that has room for it.

        The key is checked first: how busy the server is, and how large a body may be, is said to those who may ask.
        """
        needed = role_needed(method, path)
        caller = self._caller(method, needed, headers)
        self._validate_load(method, path, headers)
        if needed is not None:
            self._buckets.take(caller.key_id)
        return caller

    def _caller(self, method: str, needed: Role | None, headers: Headers) -> Caller:
        if self._keys.is_open:
            self._validate_origin(method, headers)
        caller = self._keys.caller(_presented(headers))
        if needed is None:
            return caller or _NOBODY
        if caller is None:
            raise NotAuthenticated
        return _allowed(caller, needed)

    def admit_probe(self, caller: Caller) -> None:
        """Raise `NotAllowed` where the caller may not have a prediction left out of the figures of the model."""
        _allowed(caller, _PROBE_ROLE)

    def admit_prediction(self, head: RequestHead) -> None:
        """The same for a prediction. A head that was admitted without a key before is not looked at again."""
        serving = self._serving
        limits, is_open = serving.limits, self._keys.is_open
        has_room = serving.in_flight <= limits.in_flight and serving.lag_seconds <= limits.lag_seconds
        if not (head.is_admitted_openly and is_open and has_room):
            self.admit("POST", "/predict", head.headers)
            head.is_admitted_openly = is_open
        elif self._buckets.per_second is not None:
            self._buckets.take(OPEN.key_id)

    def _validate_origin(self, method: str, headers: Headers) -> None:
        """Refuse what a web page of another site has a browser send here while requests need no key.

        A page whose name was pointed at this machine (DNS rebinding) sends its own name as Host; a page that posts a
        form or text across sites sends its Origin (OWASP, Cross-Site Request Forgery Prevention).
        """
        given = headers.get(b"host", b"localhost")
        if not is_this_machine(given):
            raise ForeignOrigin("Host", given.decode("latin-1"), "a name of this machine, such as localhost")
        origin = headers.get(b"origin")
        if origin is None or method in ("GET", "HEAD", "OPTIONS"):
            return
        host = given.decode("latin-1")
        name = origin.decode("latin-1")
        if not {name, "*"} & set(self._serving.limits.origins) and _host_of(name) != host:
            raise ForeignOrigin("Origin", name, "this server's own, or one of CORS_ORIGINS")

    def _validate_load(self, method: str, path: str, headers: Headers) -> None:
        serving = self._serving
        limits = serving.limits
        if method != "GET" or path not in _UNDER_ANY_LOAD:
            if serving.in_flight > limits.in_flight:
                raise Overloaded(f"{limits.in_flight} requests are being answered already.")
            if serving.lag_seconds > limits.lag_seconds:
                raise Overloaded(f"Requests wait {serving.lag_seconds:.1f} s already.")
        length, most = headers.get(b"content-length"), serving.most_body_bytes(path)
        if length is not None and length.isdigit() and int(length) > most:
            raise BodyTooLarge(most)


_NOBODY = Caller("", "viewer")
_PROBE_ROLE: Final[Role] = "operator"  # the least that may change which release answers, and so prove it


def _allowed(caller: Caller, needed: Role) -> Caller:
    if not caller.may(needed):
        raise NotAllowed(caller.role, needed)
    return caller


@lru_cache(64)
def is_this_machine(host: bytes) -> bool:
    """Whether a Host header names this machine. Cached: every request has the same few.

    >>> is_this_machine(b"localhost:8000"), is_this_machine(b"[::1]:8000"), is_this_machine(b"evil.example")
    (True, True, False)
    """
    try:
        return is_loopback(urlsplit(f"//{host.decode('latin-1')}").hostname or "")
    except ValueError:  # no host at all, such as "[" alone
        return False


@lru_cache(256)
def role_needed(method: str, path: str) -> Role | None:
    """The least role for a request; None where everybody may ask.

    >>> role_needed("GET", "/healthz"), role_needed("POST", "/projects/shop/predict")
    (None, 'scorer')
    >>> role_needed("POST", "/projects/shop/api/x")
    'operator'
    >>> role_needed("POST", "/api/x"), role_needed("POST", "/api/feature-store/push/predict")
    ('operator', 'operator')
    >>> role_needed("GET", "/api/keys"), role_needed("POST", "/api/keys/x/revoke")
    ('operator', 'admin')
    """
    if path in _OPEN_PATHS:
        return None
    if _KEYS_PATH.match(path):
        return "operator" if method in ("GET", "HEAD", "OPTIONS") else "admin"
    if method in ("GET", "HEAD", "OPTIONS"):
        return None if path.startswith(_DASHBOARD_PATHS) else "viewer"
    path = _PROJECT_PREFIX.sub("", path)  # a project's own routes exist with and without it
    return "operator" if path.startswith("/api/") and not _SCORING_PATH.fullmatch(path) else "scorer"


def _host_of(origin: str) -> str | None:
    """The host of an origin; None where it is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _presented(headers: Headers) -> str | None:
    given = headers.get(b"authorization")
    if given is not None and given[:7].lower() == b"bearer ":
        return given[7:].decode("latin-1").strip()
    key = headers.get(b"x-api-key")
    return key.decode("latin-1") if key is not None else None
