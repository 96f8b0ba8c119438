"""The commands that verdicts name, completed with the project that a check was of."""

from __future__ import annotations

import re
from typing import Final

_COMMAND: Final = re.compile(r"\btouchline (?:(?:monitor|models|data) [a-z]+|retrain)\b(?! -p)")


def with_project(message: str, project: str) -> str:
    """The message with `-p PROJECT` behind each command, since a verdict does not know its project.

    >>> with_project("See the cause (touchline monitor cause), or train again (touchline retrain).", "nba")
    'See the cause (touchline monitor cause -p nba), or train again (touchline retrain -p nba).'
    >>> with_project("touchline monitor cause -p nba, then touchline models rollback --reason '...'", "nba")
    "touchline monitor cause -p nba, then touchline models rollback -p nba --reason '...'"
    """
    return _COMMAND.sub(lambda command: f"{command[0]} -p {project}", message)
