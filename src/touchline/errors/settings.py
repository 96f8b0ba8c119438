"""Settings and plugins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from touchline.errors.base import UsageError, nearest

__all__ = ["InvalidSetting", "MissingDependency", "UnknownPlugin"]


class InvalidSetting(UsageError):
    def __init__(self, variable: str, actual: str, reason: str) -> None:
        self.variable, self.actual, self.reason = variable, actual, reason
        end = "" if reason.endswith(("?", ".", "!")) else "."
        if variable.startswith("--"):
            super().__init__(f"Option {variable} is {actual}: {reason}{end} Give the command another one.")
        else:
            super().__init__(f"Setting {variable} is {actual}: {reason}{end} Change it in the environment.")

    @classmethod
    def unknown(cls, variable: str, allowed: Collection[str]) -> InvalidSetting:
        # The prefix that all settings share would make any two of them look alike.
        prefix = "TOUCHLINE_"
        names = {name.removeprefix(prefix): name for name in allowed}
        close = get_close_matches(variable.removeprefix(prefix), names, n=1)
        hint = f"Did you mean {names[close[0]]!r}?" if close else f"Known: {', '.join(sorted(allowed))}"
        return cls(variable, "not a setting", hint)


class UnknownPlugin(UsageError):
    def __init__(self, group: str, name: str, installed: Sequence[str]) -> None:
        self.group, self.name = group, name
        super().__init__(f"No backend {name!r} is installed for {group}. {nearest(name, installed)}")


class MissingDependency(UsageError):
    def __init__(self, what: str, module: str, extras: Sequence[str]) -> None:
        self.module = module
        extra = f"touchline[{','.join(extras)}]" if extras else module
        super().__init__(
            f"{what} needs the module {module!r}, which is not installed. Install it: pip install '{extra}'"
        )
