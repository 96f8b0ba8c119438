"""A start says at once which release the server refused, instead of waiting for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.builders import a_client
from touchline.cli.processes.up import require_no_refusal
from touchline.errors import ServerRefused

pytestmark = pytest.mark.services


def test_a_refused_release_ends_the_start_with_its_reason_and_a_sound_one_does_not(shop: Path) -> None:
    with a_client(shop) as client:
        require_no_refusal(str(client.base_url).rstrip("/"), {"shop"})
    (manifest,) = (shop / "home" / "objects").rglob("release.json")
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with a_client(shop) as client, pytest.raises(ServerRefused, match="doctor --repair"):
        require_no_refusal(str(client.base_url).rstrip("/"), {"shop"})
