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


class Performance(BaseModel):
    """What counts as a loss that has risen, and on which slices performance is shown.

    The alarm compares the mean loss of each day with the test window: it is raised for evidence that the loss is above
    the upper end of its test interval, and above `tolerance` more than its test mean. With `checks_a_year` days, the
    expected time between false alarms is at least a year. Days count once `mature_share` of their labels are in.

    >>> Performance().tolerance
    0.02
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tolerance: Annotated[float, Field(ge=0, le=1, description="share of the test loss")] = 0.02
    mature_share: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    checks_a_year: Annotated[int, Field(ge=12, le=9000)] = 365
    min_rows: Annotated[int, Field(ge=20)] = 100
    slices: Annotated[
        tuple[str, ...], Field(description="logged inputs, entity keys or category columns; empty: category columns")
    ] = ()


class Monitoring(BaseModel):
    """The monitoring options of a project.

    >>> Monitoring(drift=Drift(min_rows=500)).drift.min_rows
    500
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    drift: Drift = Drift()
    performance: Performance = Performance()
