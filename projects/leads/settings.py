"""Which table the project learns from: environment variables, so that no file is edited.

`LEADS_TABLE` is `caravan` (the default; packaged), `bank`, `olist` or `x_education`; `LEADS_DATA` is the folder of
their files, `data` by default; `LEADS_SPLIT=random` draws the test rows of a table with time at random, which flatters
models that do not last. Use one `TOUCHLINE_HOME` for each table.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

_PREFIX = "LEADS_"


class LeadsSettings(BaseModel):
    """The project's own settings. A wrong value is refused with the allowed ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Literal["caravan", "bank", "olist", "x_education"] = "caravan"
    data: Path = Path("data")
    split: Literal["time", "random"] = "time"


def read_settings() -> LeadsSettings:
    """The settings of this process's environment. A variable `LEADS_…` of another name is refused: it may be a typo."""
    given = {key.removeprefix(_PREFIX).lower(): value for key, value in os.environ.items() if key.startswith(_PREFIX)}
    return LeadsSettings.model_validate(given)
