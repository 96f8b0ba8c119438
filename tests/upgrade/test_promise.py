from __future__ import annotations

import json

from tests.upgrade.promise import FILE, missing, present


def test_everything_that_was_promised_is_still_there() -> None:
    """Renamed or removed: put the old name back, or release a new major version (docs/stability.md)."""
    assert missing(json.loads(FILE.read_text()), present()) == []


def test_a_name_that_went_is_found() -> None:
    promised = {"commands": {"train": ["--force", "--json"], "dance": ["--slow"]}}
    assert missing(promised, {"commands": {"train": ["--json"]}}) == ["commands: train --force", "commands: dance"]
