"""A check that a port is free, before a process starts on it."""

from __future__ import annotations

import errno
import socket

from touchline.errors import AddressUnusable, PortTaken


def require_free(host: str, port: int, *, setting: str) -> None:
    """Raise `PortTaken`, which names the setting to change, if another process listens on the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Like uvicorn: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as refused:
            if refused.errno == errno.EADDRINUSE:
                raise PortTaken(host, port, setting) from refused
            raise AddressUnusable(host, port, refused.strerror or str(refused)) from refused


def validate_host(host: str) -> None:
    """Raise `AddressUnusable` where no process of this machine can listen on the address, whatever the port."""
    require_free(host, 0, setting="TOUCHLINE_HOST")
