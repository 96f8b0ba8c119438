"""The windows of a drift check in Evidently."""

from __future__ import annotations

import re
from importlib.util import find_spec

import numpy as np
import pytest

from touchline.errors import InvalidSample, MissingDependency
from touchline.monitoring import evidently_page
from touchline.statistics import build_profile

PROFILE = build_profile(
    np.column_stack([np.linspace(0, 1, 300), np.arange(300) % 2, np.full(300, np.nan)]),
    names=["age", "team", "empty"],
    levels={"team": ["red", "blue"]},
    outputs={"p_yes": np.linspace(0.2, 0.8, 300)},
)


@pytest.mark.skipif(find_spec("evidently") is not None, reason="the extra is installed")
def test_without_the_extra_the_error_names_it() -> None:
    with pytest.raises(MissingDependency, match=r"pip install 'touchline\[evidently\]'"):
        evidently_page(PROFILE, PROFILE.sample)


@pytest.mark.scale
@pytest.mark.filterwarnings("ignore")
def test_a_page_has_both_windows_with_the_names_of_levels_and_loads_nothing() -> None:
    current = PROFILE.sample + np.array([0.7, 0.0, 0.0, 0.1])
    current[:5, 1] = -1  # a level that the reference does not have
    page = evidently_page(PROFILE, current)
    assert set(re.findall('"column_name": "([a-z_]+)"', page)) == {"age", "team", "p_yes"}
    for level in ("red", "blue", "(new level)"):
        assert f'"{level}"' in page
    assert not any(tag in page for tag in ('src="http', "src='http", "<link", "url(http"))


@pytest.mark.scale
@pytest.mark.filterwarnings("ignore")
def test_a_window_of_one_row_gives_a_page_and_one_without_rows_an_error() -> None:
    assert "age" in evidently_page(PROFILE, PROFILE.sample[:1])
    with pytest.raises(InvalidSample, match="a window without rows"):
        evidently_page(PROFILE, PROFILE.sample[:0])
