from __future__ import annotations

from touchline.storage.unchanging_rows import UnchangingRows


def test_of_more_rows_than_fit_those_read_last_stay() -> None:
    rows, reads = UnchangingRows(most_rows=2), list[str]()

    def read(key: str) -> str:
        found = rows.read(key, lambda: reads.append(key) or key.upper())  # type: ignore[func-returns-value]
        assert found is not None
        return found

    assert [read(key) for key in ("a", "b", "a", "c", "a", "b")] == ["A", "B", "A", "C", "A", "B"]
    assert reads == ["a", "b", "c", "b"]
