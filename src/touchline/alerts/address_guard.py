"""Which addresses a webhook may reach: public ones, and the networks that the settings allow.

A host is resolved once, every address of it is checked, and the connection goes to the checked address, so that a name
which resolves differently a moment later (DNS rebinding) reaches nothing else (OWASP, Server-Side Request Forgery
Prevention).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from touchline.alerts.channels import DeliveryFailed
from touchline.http.public_addresses import Address, addresses_of, is_public

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Destination:
    """A checked address of a URL: `connect_url` names the IP address, `host` goes into the Host header and into TLS."""

    connect_url: str
    host: str
    host_header: str


def checked_destination(url: str, networks: Sequence[str]) -> Destination:
    """The destination of a webhook. Raises `DeliveryFailed` for one that may not be reached or has no address.

    `networks` are allowed besides public addresses; plain http is allowed only within them.
    """
    scheme, host, port = _parts(url)
    addresses = _resolve(host, port)
    allowed = [ip_network(network) for network in networks]
    for address in addresses:
        is_allowed = any(address.version == network.version and address in network for network in allowed)
        if not is_allowed and not is_public(address):
            raise DeliveryFailed(
                f"{host} is at {address}, which is no public address; add its network to TOUCHLINE_WEBHOOK_NETWORKS to "
                "allow it",
            )
        if not is_allowed and scheme != "https":
            raise DeliveryFailed(f"{host} is public, so its webhook needs https://; the address begins with http://")
    first = addresses[0]
    literal = f"[{first}]" if first.version == 6 else str(first)
    rest = urlsplit(url)
    path = (rest.path or "/") + (f"?{rest.query}" if rest.query else "")
    name = f"[{host}]" if ":" in host else host
    header = name if port == _PORTS[scheme] else f"{name}:{port}"
    return Destination(f"{scheme}://{literal}:{port}{path}", host, header)


def _parts(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise DeliveryFailed("the address of the webhook is no URL") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise DeliveryFailed("the address of the webhook is no plain http(s) URL; user names in it are not allowed")
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def _resolve(host: str, port: int) -> list[Address]:
    try:
        return addresses_of(host, port)
    except (OSError, UnicodeError) as failure:
        raise DeliveryFailed(f"the name {host} has no address: {failure}") from None
