"""Sources become checked, versioned tables.

In: a `Source` (contract, key, time columns) with a provider of files, SQL, HTTP or frames. Out: immutable Parquet
snapshots of every row version, named by the SHA-256 of their content, a manifest for each ingest, and a quarantine
with the rule and the value of every rejected row. Promises: the same bytes twice make one snapshot; a kill at any
point leaves the last good one; a batch that breaks too many rules changes nothing; no row is dropped uncounted;
every version says when its fact was knowable (`event_timestamp`) and when we could know it (`created_timestamp`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.ingest.content import content_hash as content_hash
    from touchline.ingest.diff import SnapshotDiff as SnapshotDiff
    from touchline.ingest.diff import diff_snapshots as diff_snapshots
    from touchline.ingest.ingest import IngestReport as IngestReport
    from touchline.ingest.ingest import IngestStores as IngestStores
    from touchline.ingest.ingest import ingest_source as ingest_source
    from touchline.ingest.inspect_file import FileSample as FileSample
    from touchline.ingest.inspect_file import inspect_file as inspect_file
    from touchline.ingest.manifests import Manifest as Manifest
    from touchline.ingest.manifests import read_log as read_log
    from touchline.ingest.manifests import read_manifest as read_manifest
    from touchline.ingest.providers.base import FetchContext as FetchContext
    from touchline.ingest.providers.base import Fetched as Fetched
    from touchline.ingest.providers.base import Provider as Provider
    from touchline.ingest.providers.base import RawFile as RawFile
    from touchline.ingest.providers.csv_files import CsvFiles as CsvFiles
    from touchline.ingest.providers.frame import FrameProvider as FrameProvider
    from touchline.ingest.providers.http_memory import requests_used as requests_used
    from touchline.ingest.providers.http_pages import Cursor as Cursor
    from touchline.ingest.providers.http_pages import NextLink as NextLink
    from touchline.ingest.providers.http_pages import PageNumbers as PageNumbers
    from touchline.ingest.providers.http_table import HttpTable as HttpTable
    from touchline.ingest.providers.parquet_files import ParquetFiles as ParquetFiles
    from touchline.ingest.providers.sql_table import SqlTable as SqlTable
    from touchline.ingest.show import Freshness as Freshness
    from touchline.ingest.show import QuarantineView as QuarantineView
    from touchline.ingest.show import SnapshotView as SnapshotView
    from touchline.ingest.show import checkout as checkout
    from touchline.ingest.show import read_freshness as read_freshness
    from touchline.ingest.show import show_quarantine as show_quarantine
    from touchline.ingest.show import show_snapshot as show_snapshot
    from touchline.ingest.snapshots import Snapshot as Snapshot
    from touchline.ingest.snapshots import current_rows as current_rows
    from touchline.ingest.snapshots import read_snapshot as read_snapshot
    from touchline.ingest.snapshots import rows_known_at as rows_known_at
    from touchline.ingest.spec import CONSTANT_STAMP as CONSTANT_STAMP
    from touchline.ingest.spec import Source as Source

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.ingest.content": ["content_hash"],
        "touchline.ingest.diff": ["SnapshotDiff", "diff_snapshots"],
        "touchline.ingest.ingest": ["IngestReport", "IngestStores", "ingest_source"],
        "touchline.ingest.inspect_file": ["FileSample", "inspect_file"],
        "touchline.ingest.manifests": ["Manifest", "read_log", "read_manifest"],
        "touchline.ingest.providers.base": ["Fetched", "FetchContext", "Provider", "RawFile"],
        "touchline.ingest.providers.csv_files": ["CsvFiles"],
        "touchline.ingest.providers.frame": ["FrameProvider"],
        "touchline.ingest.providers.http_memory": ["requests_used"],
        "touchline.ingest.providers.http_pages": ["Cursor", "NextLink", "PageNumbers"],
        "touchline.ingest.providers.http_table": ["HttpTable"],
        "touchline.ingest.providers.parquet_files": ["ParquetFiles"],
        "touchline.ingest.providers.sql_table": ["SqlTable"],
        "touchline.ingest.show": [
            "Freshness",
            "QuarantineView",
            "SnapshotView",
            "checkout",
            "read_freshness",
            "show_quarantine",
            "show_snapshot",
        ],
        "touchline.ingest.snapshots": ["Snapshot", "current_rows", "read_snapshot", "rows_known_at"],
        "touchline.ingest.spec": ["CONSTANT_STAMP", "Source"],
    },
)
