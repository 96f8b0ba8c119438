"""JSON as every reader of a contract takes it: each key once, text in NFC, a NaN as null.

Python's json module writes NaN for a missing number of a pandas frame. NFC and NFD are two spellings of the same text
(Unicode Standard Annex 15); without one of them, one entity would be two.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from unicodedata import is_normalized, normalize

from touchline.errors import RepeatedKey, UnreadableJson

LARGEST_EXACT: Final = 2**53 - 1
"""JavaScript and many JSON readers round whole numbers beyond it (RFC 8259, section 6)."""
_SPACED_COLON: Final = re.compile(rb'"\s+:')


def nfc(text: str) -> str:
    """The text in NFC.

    >>> len("Mu\\u0308nchen"), len(nfc("Mu\\u0308nchen"))
    (8, 7)
    """
    return text if text.isascii() or is_normalized("NFC", text) else normalize("NFC", text)


def parse_json(text: str | bytes) -> Any:
    """The document. Raises `RepeatedKey`, or `UnreadableJson` where it is no JSON."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as wrong:
        raise UnreadableJson(str(wrong)) from wrong


def canonical_json(body: bytes) -> bytes:
    """The same document with each text in NFC and null for NaN. Plain ASCII without escapes is returned unread.

    Raises `RepeatedKey` or `UnreadableJson`.
    """
    if is_plain(body):
        return body
    try:
        return json.dumps(_with_nfc(parse_json(body)), ensure_ascii=False).encode()
    except UnicodeEncodeError as wrong:
        raise UnreadableJson("a text has half of a surrogate pair") from wrong


def is_plain(body: bytes) -> bool:
    """Whether the document has no text outside ASCII and no NaN, as most requests."""
    return body.isascii() and not has_unicode_escape(body) and not (b"N" in body and b"NaN" in body)


def has_unicode_escape(body: bytes) -> bool:
    """Whether a text may be spelled with `\\u`. A single byte is found twenty times faster than two."""
    return b"\\" in body and b"\\u" in body


def may_repeat_a_key(body: bytes, different_keys: int) -> bool:
    """Whether a document with so many different keys may have one of them twice; `parse_json` tells.

    A colon follows each key, and may stand in texts; a quotation mark and a colon in a row stand after keys alone,
    but for escaped marks in texts. So equal counts mean that each key is there once.
    """
    if body.count(b":") == different_keys:
        return False
    return body.count(b'":') != different_keys or _SPACED_COLON.search(body) is not None


def exact_numbers(value: Any) -> Any:
    """The value with whole numbers beyond 2**53 as text, so that no reader of JSON rounds an id.

    >>> exact_numbers({"user": 1610521604143693015, "visits": 3})
    {'user': '1610521604143693015', 'visits': 3}
    """
    if isinstance(value, int) and not -LARGEST_EXACT <= value <= LARGEST_EXACT:
        return str(value)
    if isinstance(value, dict):
        return {name: exact_numbers(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact_numbers(item) for item in value]
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [nfc(name) for name, _ in pairs]
    if len(set(names)) < len(names):
        raise RepeatedKey(next(name for place, name in enumerate(names) if name in names[:place]))
    return dict(zip(names, (value for _, value in pairs), strict=True))


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is no number")


def _with_nfc(value: Any) -> Any:
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, dict):
        return {name: _with_nfc(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_nfc(item) for item in value]
    return value
