"""The command line as a client of the running server."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from touchline import errors
from touchline.cli.opening import Home, OpenedProject
from touchline.errors import without_passwords
from touchline.http.problems import Overloaded
from touchline.http.statuses import NEEDS_KEY

if TYPE_CHECKING:
    import httpx

_PATIENCE_SECONDS = 60.0
_EVERY_INTERFACE = ("127.0.0.1", "0.0.0.0", "::", "::1")


def api_url(home: Home) -> str:
    return f"http://{_reachable(home.settings.host)}:{home.settings.port}"


def mlflow_url(home: Home) -> str:
    settings = home.settings
    return (
        without_passwords(settings.mlflow_tracking_uri or "")
        or f"http://{_reachable(settings.host)}:{settings.mlflow_port}"
    )


def request_json(url: str, *, body: Any = None, api_key: str | None = None) -> Any:
    """The server's JSON response. Raises `ServerUnreachable`, or `ServerRefused` with the status and the problem.

    A server that is too busy is asked again after the time that it names, for a minute.
    """
    import httpx

    headers = {} if api_key is None else {"X-API-Key": api_key}
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            response = httpx.request("GET" if body is None else "POST", url, json=body, headers=headers, timeout=60)
        except httpx.TransportError as failure:
            raise errors.ServerUnreachable(url) from failure
        if time.monotonic() > until or not _is_overloaded(response):
            break
        time.sleep(float(response.headers["retry-after"]))
    if not response.is_success:
        needs_key = response.status_code in NEEDS_KEY
        raise errors.ServerRefused(url, response.status_code, response.text, needs_key=needs_key)
    return response.json()


def _is_overloaded(response: httpx.Response) -> bool:
    """Whether the same request is answered soon: nothing is wrong with it, nor with the release."""
    return response.status_code == Overloaded.status and f"problem:{Overloaded.slug}" in response.text


def predict_one(opened: OpenedProject, fields: Sequence[str], *, api_key: str | None) -> dict[str, Any]:
    """The response to one request, typed as name=value pairs; each value is read by its field's schema."""
    from touchline.settings import validated_key

    try:
        key = validated_key(api_key) if api_key else opened.home.settings.api_key
    except ValueError as wrong:
        raise errors.InvalidSetting("--key", "not a key", str(wrong)) from None
    url = f"{api_url(opened.home)}/projects/{opened.name}"
    schemas = request_json(f"{url}/model-info", api_key=key).get("request", {})
    body: dict[str, Any] = {}
    for name, value in (_field(text, schemas) for text in fields):
        if name in body:
            raise errors.RepeatedKey(name)
        body[name] = value
    response: dict[str, Any] = request_json(f"{url}/predict", body=body, api_key=key)
    return response


def _field(text: str, schemas: Mapping[str, Any]) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise errors.InvalidRequestField(text)
    schema = schemas.get(name, {})
    types = {option.get("type") for option in schema.get("anyOf", [schema])}
    return name, value if types <= {"string", "null"} and "string" in types else _json_value(value)


def _json_value(text: str) -> Any:
    """A number, true, false or null as JSON reads it; any other text unchanged."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value if isinstance(value, int | float | bool) or value is None else text


def _reachable(host: str) -> str:
    return "localhost" if host in _EVERY_INTERFACE else host
