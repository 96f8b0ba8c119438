"""The base of all errors."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

__all__ = [
    "PickledByAttributes",
    "TouchlineError",
    "UsageError",
    "as_sentence",
    "failure_in_words",
    "nearest",
    "without_error_kind",
    "without_passwords",
]


def nearest(name: str, allowed: Collection[str]) -> str:
    """A sentence that points to the nearest valid name, or lists the valid ones.

    >>> nearest("schalke", ["Schalke 04", "Hertha BSC Berlin"]), nearest("C1", ["c1", "d1"])
    ("Did you mean 'Schalke 04'?", "Did you mean 'c1'?")
    """
    folded = name.casefold()
    begun = sorted((other for other in allowed if folded and other.casefold().startswith(folded)), key=len)
    close = get_close_matches(name, allowed, n=1) or begun[:1]
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(sorted(allowed)) or 'none'}."


def as_sentence(text: str) -> str:
    """The text with a full stop, unless it ends a sentence already.

    >>> as_sentence("unknown field"), as_sentence("Did you mean 'age'?")
    ('unknown field.', "Did you mean 'age'?")
    """
    return text if text.endswith(("?", ".", "!")) else f"{text}."


def without_error_kind(fault: str) -> str:
    """The fault that a validator of ours names, without the kind of error that Pydantic writes before it.

    >>> without_error_kind("Value error, '9 o clock' is no time of the day")
    "'9 o clock' is no time of the day"
    """
    return fault.removeprefix("Value error, ").removeprefix("Assertion failed, ")


_QUERY = re.compile(
    r"([?&][\w.-]{0,40}?(?:password|passwd|pwd|token|secret|key|sig|signature|credential|auth|appid)=)[^&\s'\"]*",
    re.IGNORECASE,
)
_API_KEY = re.compile(r"\b(tl_[0-9A-Z]{26}_)[\w-]{8,}")
_USER = re.compile(r"[^\s/@:?#]*")
_PORT = re.compile(r"\d{1,5}(?![^\s/?#,;.:)\]}'\"])")
# Stores that know users without a password, or name a container there: what is before the @ is no secret.
_NAMES_USERS = re.compile(r"(?:postgres|postgresql|mysql|mssql|ssh|sftp|abfss?)(?:\+\w+)?\Z")


def without_passwords(text: str) -> str:
    """The text with the password or token of each address and the secret part of our API keys hidden.

    A password may have unencoded signs, and spaces.

    >>> without_passwords("redis://ops:s3/c@ret@cache:6379/0 or redis://ops:s3 cret@cache timed out")
    'redis://ops:***@cache:6379/0 or redis://ops:***@cache timed out'
    >>> without_passwords("rediss://s3cret@cache, postgresql://ops@db and abfss://models@account.dfs.core.windows.net")
    'rediss://***@cache, postgresql://ops@db and abfss://models@account.dfs.core.windows.net'
    >>> without_passwords("https://x/y?api_key=s3cret&page=2&access_token=s3cret")
    'https://x/y?api_key=***&page=2&access_token=***'
    """
    if "tl_" in text:
        text = _API_KEY.sub(r"\1***", text)
    if "://" not in text:
        return text
    first, *others = text.split("://")
    parts = [first]
    for other in others:
        parts.append(_without_user_information(other, names_users=_NAMES_USERS.search(parts[-1][-20:]) is not None))
    return _QUERY.sub(r"\1***", "://".join(parts))


def _without_user_information(rest: str, *, names_users: bool) -> str:
    """An address from its host on, and the text that follows it."""
    name = _USER.match(rest)
    assert name is not None
    user, sign = name[0], rest[name.end() : name.end() + 1]
    if sign == "@":
        return rest if names_users else f"***{rest[name.end() :]}"
    if sign != ":":
        return rest
    start = name.end() + 1
    line = re.split(r"[\r\n]", rest[start:], maxsplit=1)[0]
    words = re.findall(r"\s*\S*", line)
    if "@" not in words[0] and _PORT.match(line):
        return rest  # the host, its port, and a sentence about it
    end = start
    for word in words:
        if "@" in word:
            return f"{user}:***{rest[end + word.rindex('@') :]}"
        end += len(word)
    return rest


class PickledByAttributes(Exception):
    """An exception that another process rebuilds from its message and attributes, whatever its constructor takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[PickledByAttributes], args: tuple[Any, ...], attributes: dict[str, Any]) -> PickledByAttributes:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class TouchlineError(PickledByAttributes):
    """Base of every error touchline raises on purpose. Passwords in addresses are hidden in every message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(without_passwords(message))


def failure_in_words(failure: BaseException) -> str:
    """The first line of any exception; the class goes before it where it is not one of ours.

    >>> failure_in_words(KeyError("odds"))
    "KeyError: 'odds'"
    """
    text = (str(failure).strip() or "no message").splitlines()[0]
    return text if isinstance(failure, TouchlineError) else without_passwords(f"{type(failure).__name__}: {text}")


class UsageError(TouchlineError):
    """The person's input is wrong; running it again unchanged fails again."""
