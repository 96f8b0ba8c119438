"""Settings and plugins."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from touchline.errors.base import UsageError, nearest

__all__ = ["InvalidSetting", "MissingDependency", "UnknownPlugin"]


class InvalidSetting(UsageError):
    def __init__(self, variable: str, actual: str, reason: str) -> None:
        self.variable = variable
        super().__init__(f"Setting {variable} is {actual}: {reason}. Change it in the environment.")

    @classmethod
    def unknown(cls, variable: str, allowed: Collection[str]) -> InvalidSetting:
        return cls(variable, "not a setting", nearest(variable, allowed).rstrip("."))


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
