"""Whether a host is on the public internet: whoever follows what others name must not reach inside the own network."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
# IPv6 ranges that carry an IPv4 address of their own, which may be a private one.
_TRANSLATED: Final = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))


def addresses_of(host: str, port: int) -> list[Address]:
    """All addresses of a host. Raises `OSError` or `UnicodeError` for a name that has none."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(row[4][0]).partition("%")[0]) for row in rows))


def is_public(address: Address) -> bool:
    """Whether everybody on the internet means the same machine by it.

    >>> [is_public(ip_address(text)) for text in ("93.184.216.34", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False]
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast


def leads_inside(origin: str, other: str) -> bool:
    """Whether a public host names one that is not public; False for a name without an address, which nobody reaches.

    >>> leads_inside("93.184.216.34", "127.0.0.1"), leads_inside("10.0.0.1", "127.0.0.1")
    (True, False)
    """
    try:
        is_inside = not all(map(is_public, addresses_of(other, 443)))
        return is_inside and all(map(is_public, addresses_of(origin, 443)))
    except (OSError, UnicodeError):
        return False
