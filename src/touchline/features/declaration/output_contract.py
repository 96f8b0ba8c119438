"""A view's output contract: rows that break it are quarantined, never materialized and never joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from touchline.contracts import compile_contract
from touchline.errors import InvalidView

if TYPE_CHECKING:
    from touchline.features.declaration.view import FeatureView


@dataclass(frozen=True)
class KeptRows:
    """Rows that keep the contract; what was wrong with the others (row, rule, column, value, record), if any were."""

    rows: pl.DataFrame
    rejected: pl.DataFrame | None


def keep_good_rows(view: FeatureView, rows: pl.DataFrame) -> KeptRows:
    """Split the rows of a view by its contract, which may name keys, stamps and features."""
    if view.contract is None:
        return KeptRows(rows, None)
    contract = compile_contract(view.contract)
    unknown = [name for name in contract.columns if name not in rows.columns]
    if unknown:
        raise InvalidView(
            view.name,
            f"has a contract with {', '.join(unknown)}, which it does not return",
            f"It returns {', '.join(rows.columns)}.",
        )
    checked = contract.check(rows.select(list(contract.columns)), table=view.name)
    if checked.rejected.is_empty():
        return KeptRows(rows, None)
    return KeptRows(rows[checked.positions], checked.rejected)


def quarantine_key(project: str, view: FeatureView, history: str) -> str:
    """The place of a history's rows that broke the contract."""
    return f"{project}/quarantine/{view.name}/{view.feature_version}-{history}.parquet"
