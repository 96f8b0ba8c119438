"""Cells that keep a column from being numbers or times are named to the person who runs `init`."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from touchline.contracts import infer_contract


@pytest.mark.parametrize(
    ("good", "dirty", "kind"),
    [
        ([f"{n % 9}.5" for n in range(60)], ["n/a", "12,5 kg"], "numbers"),
        ([str(n % 40) for n in range(60)], ["unknown", "ca. 7"], "numbers"),
        ([str(date(2020, 1, 1) + timedelta(days=n % 30)) for n in range(60)], ["2020-13-01", "soon"], "dates"),
        ([f"2020-01-{n % 28 + 1:02}T10:00:00Z" for n in range(60)], ["later", "soon"], "instants"),
    ],
)
def test_cells_that_make_a_column_text_are_named_with_their_rows(good: list[str], dirty: list[str], kind: str) -> None:
    values = [*good[:4], dirty[0], *good[4:], dirty[1], dirty[0]]
    for target in (None, "size"):
        notes = infer_contract(pl.DataFrame({"size": values, "x": range(63)}), name="t", target=target).notes
        cells = f"{dirty[0]!r} (row 5), {dirty[1]!r} (row 62)"
        start = f"size is read as text, because 3 of its 63 values are no {kind}: {cells}"
        assert any(note.startswith(start) and "correct these cells" in note for note in notes)


@pytest.mark.parametrize("values", [["a", "b", "7"] * 20, ["01234", "1234", "5678"] * 20, ["1", "2", "3"] * 20])
def test_text_on_purpose_and_clean_numbers_get_no_such_note(values: list[str]) -> None:
    notes = infer_contract(pl.DataFrame({"size": values, "x": range(60)}), name="t").notes
    assert not any("read as text" in note for note in notes)
