"""`Observation`: what somebody has found out about one signal at one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Observation:
    """One signal of one subject (a source, a view, a column; empty: the project), wrong, well again, or measured.

    `is_wrong` decides about a state; of a number it may be None, and the rule's limit decides from `value`. A `value`
    of None was not measured. `cause` groups: signals with one cause are one incident; empty, each subject of a signal
    is a cause. `happened`, `certainty` (how sure, with numbers), `cost` and `next_command` go into the message as they
    are, as do `facts` of what happened upstream; `since` is the onset, in project time.
    """

    signal: str
    subject: str = ""
    is_wrong: bool | None = None
    value: float | None = None
    happened: str = ""
    since: datetime | None = None
    certainty: str = ""
    cost: str = ""
    next_command: str = ""
    cause: str = ""
    columns: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether it is wrong, well, or has a number. One that was not measured changes no incident.

        >>> Observation("log_loss", value=None).says_something
        False
        """
        return self.is_wrong is not None or (self.value is not None and not math.isnan(self.value))

    @property
    def cause_key(self) -> str:
        """The name of the incident that it belongs to."""
        return self.cause or (f"{self.signal}:{self.subject}" if self.subject else self.signal)

    @classmethod
    def well(cls, signal: str, subject: str = "") -> Observation:
        """The signal is well again.

        >>> Observation.well("stale_data", "visits").is_wrong
        False
        """
        return cls(signal, subject, is_wrong=False)
