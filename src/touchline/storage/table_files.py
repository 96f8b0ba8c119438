"""Tables as files for people: CSV or Parquet, as the name of the file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from touchline.errors import FolderMissing, TableFormatUnknown

if TYPE_CHECKING:
    import polars as pl


def validate_table_file(file: Path) -> None:
    """Raises `FolderMissing` and `TableFormatUnknown` for a file that `write_table` could not write."""
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise FolderMissing(file)
    if file.suffix.lower() not in (".csv", ".parquet"):
        raise TableFormatUnknown(file)


def write_table(table: pl.DataFrame, file: Path) -> None:
    """Write a table in the format that the ending names."""
    validate_table_file(file)
    table.write_parquet(file) if file.suffix.lower() == ".parquet" else table.write_csv(file)
