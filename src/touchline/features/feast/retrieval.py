"""The answer of the offline store: computed when it is asked for, in the form it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from touchline.errors import SourceFormatNotRead
from touchline.features.feast.sources import replaced_file


@dataclass
class PointInTimeRetrievalJob(RetrievalJob):
    """A frame that is computed when it is asked for."""

    evaluate: Callable[[], pl.DataFrame]
    repo_path: Any
    is_full_names: bool = False
    on_demand: list[OnDemandFeatureView] = field(default_factory=list)
    retrieval_metadata: RetrievalMetadata | None = None

    @property
    def full_feature_names(self) -> bool:
        return self.is_full_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self.on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self.retrieval_metadata

    def to_polars(self) -> pl.DataFrame:
        """The features without on-demand views, as they were joined."""
        return self.evaluate()

    def _to_arrow_internal(self, timeout: int | None = None) -> Any:  # noqa: ARG002  # the join cannot be cut short
        table = self.evaluate().to_arrow(compat_level=pl.CompatLevel.oldest())
        return table.cast(_with_plain_lists(table.schema))

    def _to_df_internal(self, timeout: int | None = None) -> Any:
        return self._to_arrow_internal(timeout).to_pandas()

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,  # noqa: ARG002  # as above
    ) -> None:
        """Write the answer to a Parquet file, whole or not at all."""
        if not isinstance(storage, SavedDatasetFileStorage):
            raise SourceFormatNotRead(repr(storage), type(storage).__name__)
        path = Path(FileSource.get_uri_for_file_path(repo_path=self.repo_path, uri=storage.file_options.uri))
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=storage.file_options.uri)
        with replaced_file(path if path.suffix == ".parquet" else path / "data.parquet") as temporary:
            _write(pl.from_arrow(self.to_arrow()), temporary)


def _with_plain_lists(schema: Any) -> Any:
    """The schema with `list` and `string` in place of Polars' large types: Feast compares types by name."""
    import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

    return pa.schema([pa.field(column.name, _plain_type(column.type), column.nullable) for column in schema])


def _plain_type(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    plain = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return plain.get(kind, kind)


def _write(frame: pl.DataFrame | pl.Series, path: Path) -> None:
    table = frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
    table.write_parquet(path, compression="zstd", compression_level=1)
