"""The inputs that Feast passes to an offline store, as Polars frames: entity rows and file sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from touchline.errors import HistoryMoved, InvalidEntityRows, SourceFormatNotRead

DUMMY_KEY = "__dummy_id"  # Feast's join key of a view without an entity
DUMMY_VALUE = ""
_DEFAULT_CUTOFF = "event_timestamp"


def entity_rows(entity_df: Any) -> pl.DataFrame:
    """Entity rows given as pandas, Polars, Arrow, the path of a Parquet file, or SQL for Polars."""
    if isinstance(entity_df, pl.LazyFrame):
        return entity_df.collect()
    if isinstance(entity_df, pl.DataFrame):
        return entity_df
    if isinstance(entity_df, Path) or (isinstance(entity_df, str) and entity_df.endswith(".parquet")):
        return pl.read_parquet(entity_df)
    if isinstance(entity_df, str):
        return _query(entity_df)
    module = type(entity_df).__module__.split(".")[0]
    if module == "pyarrow":
        return _frame(pl.from_arrow(entity_df))
    if module == "pandas":
        return _from_pandas(entity_df)
    raise InvalidEntityRows(f"are of type {type(entity_df).__name__}")


def cutoff_column(rows: pl.DataFrame) -> str:
    """`event_timestamp`, else the only column of instants."""
    if _DEFAULT_CUTOFF in rows.columns:
        return _DEFAULT_CUTOFF
    found = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)]
    if len(found) != 1:
        raise InvalidEntityRows(f"have {len(found)} columns of instants ({', '.join(found) or 'none'})")
    return found[0]


def scan_source(source: Any, repo_path: Any) -> pl.LazyFrame:
    """A Feast file source under the names its field mapping gives."""
    path = source_path(source, repo_path)
    kind = type(source.file_format).__name__ if source.file_format else "ParquetFormat"
    if kind != "ParquetFormat":
        raise SourceFormatNotRead(str(path), kind)
    pattern = f"{path}/**/*.parquet" if isinstance(path, Path) and path.is_dir() else path
    options = {"aws_endpoint_url": source.s3_endpoint_override} if source.s3_endpoint_override else None
    frame = pl.scan_parquet(pattern, storage_options=options)
    mapping = {old: new for old, new in source.field_mapping.items() if old in frame.collect_schema()}
    return frame.rename(mapping)


def source_path(source: Any, repo_path: Any) -> Path | str:
    """The address of a file source: a local path, or the address of an object."""
    place: str = source.get_uri_for_file_path(repo_path=repo_path, uri=source.file_options.uri)
    return place if "://" in place else Path(place)


def mapped(source: Any, name: str) -> str:
    """The name a source's column has after its field mapping."""
    return str(source.field_mapping.get(name, name))


def require_columns(frame: pl.LazyFrame, names: list[str], view: str, where: str) -> Mapping[str, pl.DataType]:
    """The types of these columns; `HistoryMoved` names the first one that is not there."""
    schema = frame.collect_schema()
    for name in names:
        if name not in schema:
            raise HistoryMoved(view, where, f"columns {', '.join(schema.names())}", f"a column {name!r}")
    return schema


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well: readers see the old or the new."""
    from tempfile import NamedTemporaryFile

    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
        temporary = Path(handle.name)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    import os

    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _query(sql: str) -> pl.DataFrame:
    try:
        return pl.SQLContext().execute(sql, eager=True)
    except pl.exceptions.PolarsError as wrong:
        reason = str(wrong).strip().splitlines()[0]
        raise InvalidEntityRows(f"are SQL that Polars does not run ({reason})") from wrong


def _frame(converted: pl.DataFrame | pl.Series) -> pl.DataFrame:
    return converted if isinstance(converted, pl.DataFrame) else converted.to_frame()


def _from_pandas(frame: Any) -> pl.DataFrame:
    """Instants of several zones in one column come as objects; they become one column in UTC."""
    import pandas as pd  # type: ignore[import-untyped]  # pandas ships no types

    frame = frame.reset_index(drop=True)
    for name in frame.columns:
        column = frame[name]
        first = column.dropna().head(1)
        if column.dtype == object and len(first) and hasattr(first.iloc[0], "tzinfo"):
            frame = frame.assign(**{name: pd.to_datetime(column, utc=True)})
    return pl.from_pandas(frame)
