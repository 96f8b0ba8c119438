"""The windows of a drift check as a report of Evidently, for people who know its pages. Its verdicts are its own."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

from touchline.errors import InvalidSample, MissingDependency
from touchline.statistics import CategoryColumn, Profile, level_codes
from touchline.statistics.samples import FloatArray

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # pandas ships no types


def evidently_page(profile: Profile, current: FloatArray) -> str:
    """One HTML page that needs nothing beside it: the profile's sample as reference beside the rows of a window.

    `current` has the profile's columns. Columns without any value in one of both windows are left out, since Evidently
    refuses them. Raises `MissingDependency` without the extra `evidently`, `InvalidSample` for a window without rows.
    """
    # Its usage statistics would go to a host elsewhere; this is read when it is imported.
    os.environ["DO_NOT_TRACK"] = "1"
    try:
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset
    except ModuleNotFoundError as missing:
        raise MissingDependency("A report of Evidently", missing.name or "evidently", ["evidently"]) from missing
    if not len(current):
        raise InvalidSample("A report of Evidently", "a window without rows", "at least one logged prediction")
    windows = (current, profile.sample)
    columns = [
        column
        for place, column in enumerate(profile.columns)
        if all(np.isfinite(rows[:, place]).any() for rows in windows)
    ]
    definition = DataDefinition(
        numerical_columns=[column.name for column in columns if not isinstance(column, CategoryColumn)],
        categorical_columns=[column.name for column in columns if isinstance(column, CategoryColumn)],
    )
    frames = [_frame(profile, rows)[[column.name for column in columns]] for rows in windows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that hardly vary, which the page shows
        datasets = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
        page: str = Report([DataDriftPreset()]).run(*datasets).get_html_str(as_iframe=False)
    return page


def _frame(profile: Profile, rows: FloatArray) -> pd.DataFrame:
    """The rows as people read them: levels by their names."""
    import pandas as pd

    values = {}
    for place, column in enumerate(profile.columns):
        values[column.name] = rows[:, place]
        if isinstance(column, CategoryColumn):
            names = np.array([*column.levels, "(new level)", None], dtype=object)
            values[column.name] = names[level_codes(column, rows[:, place])]
    return pd.DataFrame(values)
