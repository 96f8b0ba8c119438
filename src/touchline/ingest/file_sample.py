"""A file that nobody has declared yet, read far enough to infer a contract from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from touchline.errors import SourceFileMissing, SourceFileUnreadable
from touchline.ingest.providers.csv_files import CsvFiles
from touchline.ingest.providers.csv_text import CsvFormat, delimiter_of, read_csv_text
from touchline.ingest.providers.files import gunzipped

_ENCODINGS = ("utf-8", "utf-16", "cp1252")
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class FileSample:
    """The rows of a file and how it must be declared: the provider's name and its arguments beside the path."""

    frame: pl.DataFrame
    kind: str
    arguments: dict[str, str]


def inspect_file(path: Path) -> FileSample:
    """Read a Parquet file, or a delimited text whose delimiter and encoding are found out."""
    if not path.is_file():
        raise SourceFileMissing(path.name, str(path), Path.cwd())
    content = path.read_bytes()
    if content.startswith(_PARQUET):
        return FileSample(pl.read_parquet(path), "ParquetFiles", {})
    text = gunzipped(content, path.name, path.name)
    null_values = CsvFiles.model_fields["null_values"].default
    for encoding in _ENCODINGS:
        form = CsvFormat(None, encoding, null_values, frozenset())
        try:
            rows = read_csv_text(text, form, name=path.name, table=path.stem)
        except SourceFileUnreadable:
            if encoding == _ENCODINGS[-1]:
                raise
            continue
        found = {"delimiter": delimiter_of(text, encoding), "encoding": encoding}
        usual = {"delimiter": ",", "encoding": "utf-8"}
        return FileSample(
            rows.frame, "CsvFiles", {name: value for name, value in found.items() if value != usual[name]}
        )
    raise AssertionError("the last encoding reads or raises")
