"""Which tests start servers, processes or MLflow: found in the code that they reach, so that nobody marks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from inspect import unwrap
from types import CodeType, FunctionType, ModuleType
from typing import Any

# Functions of the tests, and libraries, whose use makes a test one of the services.
_STARTERS = {
    *("tests.servers.running_postgres", "tests.servers.running_redis", "tests.servers.running_s3"),
    *("tests.serving.builders.on_loopback", "tests.dashboard.browser.running_browser"),
    *("tests.storage.children.start", "tests.stores.empty_mlflow"),
    *("subprocess.Popen", "subprocess.run", "subprocess.check_output", "multiprocessing.get_context"),
    *("touchline.registry.open_tracking", "touchline.cli.processes.supervisor.start"),
}


def starts_services(functions: tuple[Callable[..., Any], ...]) -> bool:
    """Whether a test, given with its fixtures, can start a server, a process or MLflow."""
    return any(_starts(unwrap(function)) for function in functions)


@cache
def _starts(function: Callable[..., Any]) -> bool:
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if _name(one) in _STARTERS:
            return True
        waiting += _reached(one)
    return False


def _reached(one: Any) -> list[Any]:
    """What a function or class of the tests names: functions, classes and names of modules."""
    one = unwrap(one) if callable(one) else one
    if not str(getattr(one, "__module__", "")).startswith(("tests.", "benchmarks.")):
        return []
    if isinstance(one, type):
        return [
            member for member in vars(one).values() if isinstance(member, FunctionType | staticmethod | classmethod)
        ]
    if isinstance(one, staticmethod | classmethod):
        return [one.__func__]
    if not isinstance(one, FunctionType):
        return []
    names = set(_names(one.__code__))
    found = [one.__globals__[name] for name in names if name in one.__globals__]
    within = [
        getattr(module, name) for module in found if isinstance(module, ModuleType) for name in names & set(dir(module))
    ]
    return found + within


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _name(one: Any) -> str:
    return f"{getattr(one, '__module__', '')}.{getattr(one, '__qualname__', '')}"
