"""What a set says of itself is checked before anything of it is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from touchline.backup.backup_set import BackupSet
from touchline.errors import BackupDamaged


@pytest.mark.parametrize("name", ["..", "", "a/b", "/etc", "..\\x"])
def test_a_project_whose_name_leads_elsewhere_is_refused(name: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    sound = BackupSet("a", at, "1.0", "0007", ("shop",), {}, None, None, (), {}).to_bytes()
    assert BackupSet.from_bytes(sound, place="here").projects == ("shop",)
    changed = json.dumps({**json.loads(sound), "projects": [name]}).encode()
    with pytest.raises(BackupDamaged, match="no name of a folder"):
        BackupSet.from_bytes(changed, place="here")
