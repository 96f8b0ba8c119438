"""What every way of delivery shares: the channel, the failure of one attempt, and secrets in addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Note:
    """A message as a channel sends it; `id` is the same at each attempt, and `thread` for all of one incident."""

    id: str
    thread: str
    title: str
    text: str
    is_critical: bool
    payload: Mapping[str, Any]
    created_at: datetime


class Channel(Protocol):
    """One address of people or of a system."""

    def send(self, note: Note, *, now: datetime) -> None:
        """Send it, or raise `DeliveryFailed`. May take up to a minute: it runs in a thread of its own."""


class DeliveryFailed(Exception):
    """One attempt failed, for a reason that names no secret; `is_final`: another one would fail as well."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        self.is_final = is_final
        super().__init__(reason)


def with_secrets(text: str, environment: Mapping[str, str]) -> str:
    """The text with each `${NAME}` replaced by the variable NAME, or by the content of the file that NAME_FILE names.

    Raises `DeliveryFailed`, which names the variable, where it is not set or its file cannot be read.

    >>> with_secrets("slack://${TOKEN}", {"TOKEN": "a/b"})
    'slack://a/b'
    """

    def secret(match: re.Match[str]) -> str:
        name = match[1]
        if environment.get(name):
            return environment[name]
        file = environment.get(f"{name}_FILE")
        if not file:
            raise DeliveryFailed(f"the environment variable {name} is not set where alerts are delivered; set it")
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as failure:
            raise DeliveryFailed(f"the file of {name}_FILE cannot be read: {failure.strerror}") from None

    return _VARIABLE.sub(secret, text)
