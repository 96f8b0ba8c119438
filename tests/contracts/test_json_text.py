"""JSON has each key once, each text in NFC, and no NaN, whichever door it comes through."""

from __future__ import annotations

import json
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline.contracts.json_text import canonical_json, exact_numbers, may_repeat_a_key, parse_json
from touchline.errors import RepeatedKey, UnreadableJson

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5) | st.sampled_from(
    ["u\u0308", "\u00fc", "\u1100\u1161"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS.map(lambda text: normalize("NFC", text)), inner, max_size=3)
    ),
    max_leaves=8,
)


def _in_nfc(value: Any) -> Any:
    return json.loads(normalize("NFC", json.dumps(value, ensure_ascii=False)))


@given(VALUES, st.booleans())
def test_the_document_stays_the_same_but_for_the_spelling_of_its_texts(value: Any, is_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii).encode()
    assert json.loads(canonical_json(body)) == _in_nfc(value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "a" : 2}',
        b'[{"a": 1}, {"b": {"c": 1, "c": null}}]',
        '{"u\u0308": 1, "\u00fc": 2}'.encode(),
        b'{"u\\u0308": 1, "\\u00fc": 2}',
    ],
)
def test_a_repeated_key_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(RepeatedKey, match="stands twice in one object"):
        parse_json(body)


@pytest.mark.parametrize("body", [b"{", b"", b'{"a": Infinity}', b'{"a": -Infinity}', b"[" * 100_000, b'"\xff"'])
def test_a_text_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableJson, match="This is not JSON"):
        parse_json(body)


@given(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=4), st.sampled_from([":", " :", "\n\t: "]), st.data())
def test_a_repeated_key_is_never_overlooked(document: dict[str, str], colon: str, data: st.DataObject) -> None:
    pairs = [*document.items(), data.draw(st.sampled_from([*document.items()]))]
    parts = [f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in pairs]
    assert may_repeat_a_key(("{" + ",".join(parts) + "}").encode(), len(document))


def test_an_instant_does_not_make_a_repetition_likely() -> None:
    assert not may_repeat_a_key(b'{"a": 1, "cutoff": "2024-01-01T10:00:00Z"}', 2)


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(UnreadableJson, match="surrogate"):
        canonical_json(b'{"a": "\\ud800"}')


def test_nan_is_null_and_a_text_that_says_nan_is_kept() -> None:
    assert canonical_json(b'{"a": NaN, "b": "NaN"}') == b'{"a": null, "b": "NaN"}'


@given(st.integers())
def test_a_whole_number_that_a_browser_would_round_travels_as_text(number: int) -> None:
    shown = exact_numbers([number])[0]
    assert int(shown) == number
    assert isinstance(shown, int) is (int(float(number)) == number and abs(number) < 2**53)
