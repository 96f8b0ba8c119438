"""A project's declaration of monitoring: `Monitoring`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Drift(BaseModel):
    """The limits from which inputs or predictions of the model count as drifted.

    A column differs in a window when its p-value, corrected over all columns, is at most `alpha` AND its PSI is at
    least `psi_floor`. It has drifted when it differs in `windows` windows in a row, which share no row. A window is
    checked once it has `min_rows` rows.

    >>> Drift().windows
    2
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Annotated, not `= Field(default, …)`: type checkers then see that nothing has to be given.
    min_rows: Annotated[int, Field(ge=20)] = 200
    psi_floor: Annotated[float, Field(ge=0, le=2)] = 0.1
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    windows: Annotated[int, Field(ge=1, le=20)] = 2
    columns: Annotated[tuple[str, ...], Field(description="only these model columns and outputs; empty: all")] = ()
    ignore: Annotated[
        tuple[str, ...], Field(description="columns and outputs whose change is expected, such as a season")
    ] = ()


class Monitoring(BaseModel):
    """The monitoring options of a project.

    >>> Monitoring(drift=Drift(min_rows=500)).drift.min_rows
    500
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    drift: Drift = Drift()
