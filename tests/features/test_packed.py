from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline.errors import CorruptedFeatures
from touchline.features.vectors.packed_row import Layout, stamps
from touchline.features.vectors.watermark import ViewMetadata, watermark_in

LAYOUT = Layout("form", [("a", "float"), ("b", "int"), ("c", "bool"), ("d", "str"), ("e", "bytes"), ("f", "timestamp")])
whole = st.integers(-(2**63), 2**63 - 1)
values = st.tuples(
    st.one_of(st.none(), st.floats(allow_nan=False)),
    st.one_of(st.none(), whole),
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.text()),
    st.one_of(st.none(), st.binary()),
    st.one_of(st.none(), whole),
)


@given(whole, whole, values)
def test_what_is_packed_is_what_is_unpacked(event: int, created: int, row: Any) -> None:
    data = LAYOUT.pack(event, created, row)
    assert LAYOUT.unpack(data, "A") == (event, created, row)
    assert stamps(data) == (event, created)


@given(st.data())
def test_any_flipped_byte_is_noticed(data: Any) -> None:
    packed = bytearray(LAYOUT.pack(5, 6, (1.5, 2, True, "x", b"y", 3)))
    place = data.draw(st.integers(0, len(packed) - 1).filter(lambda index: index != 3))  # byte 3: flags, unused
    packed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptedFeatures):
        LAYOUT.unpack(bytes(packed), "A")


def test_a_value_of_another_layout_is_refused() -> None:
    other = Layout("form", [("a", "float"), ("b", "float")])
    with pytest.raises(CorruptedFeatures, match="damaged: layout"):
        other.unpack(Layout("form", [("a", "float"), ("z", "float")]).pack(0, 0, (1.0, 2.0)), "A")


def test_a_truncated_value_is_refused() -> None:
    with pytest.raises(CorruptedFeatures, match="bytes, expected at least"):
        LAYOUT.unpack(LAYOUT.pack(0, 0, (None,) * 6)[:20], "A")


@given(whole, whole)
def test_packed_stamps_compare_like_instants(one: int, other: int) -> None:
    first, second = LAYOUT.pack(one, 0, (None,) * 6)[12:28], LAYOUT.pack(other, 0, (None,) * 6)[12:28]
    assert (first < second) == (one < other)


def test_a_mark_says_what_was_materialized() -> None:
    mark = ViewMetadata(layout_id=7, watermark=10, materialized=20, history="abc", rows=3)
    assert ViewMetadata.unpack(mark.pack(), "form") == mark
    assert watermark_in(mark.pack(), "form") == 10
    with pytest.raises(CorruptedFeatures, match="its metadata"):
        ViewMetadata.unpack(b"TL", "form")
