"""docs/providers.md names every option of every provider, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from touchline.ingest import CsvFiles, DeltaTable, HttpTable, ParquetFiles, SqlTable

_DOCS = Path(__file__).parents[2] / "docs" / "providers.md"


@pytest.mark.parametrize("provider", [CsvFiles, ParquetFiles, SqlTable, DeltaTable, HttpTable])
def test_each_option_of_a_provider_is_in_the_docs(provider: type[CsvFiles]) -> None:
    common, *sections = _DOCS.read_text().split("\n## ")
    (section,) = [text for text in sections if text.startswith(f"`{provider.__name__}")]
    named = set(re.findall(r"`(\w+)`", common + section))
    assert set(provider.model_fields) <= named
    rows = re.findall(r"^\| (.+?) \|", section, flags=re.M)
    options = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert options <= set(provider.model_fields)
