"""The thread that follows the journal must outlive whatever one look raises."""

import logging

import pytest

from touchline.errors import BackendUnavailable
from touchline.serving.releases.looks import Looks


@pytest.mark.parametrize("failure", [BackendUnavailable("The database", "it is away", "Start it."), KeyError("gone")])
def test_a_failing_look_is_told_once_and_keeps_nobody_else(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    is_away, seen = [True], []

    def read_keys() -> None:
        if is_away[0]:
            raise failure
        seen.append("keys")

    looks = Looks([("the keys", read_keys), ("the journal", lambda: seen.append("journal"))])
    with caplog.at_level(logging.WARNING, logger="touchline.serving"):
        for _ in range(3):
            looks.take()
        assert (seen, len(caplog.records)) == (["journal"] * 3, 1)
        assert "the keys: not read" in caplog.text
        is_away[0] = False
        looks.take()
        is_away[0] = True
        looks.take()
    assert (seen[3:], len(caplog.records)) == (["keys", "journal", "journal"], 2)
