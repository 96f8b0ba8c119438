"""Everything of a project's package that a function reaches: definitions, files and values, each as stable text."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from pydantic import BaseModel

from touchline.errors import InvalidView
from touchline.features.declaration.package_files import (
    PackageFile,
    code_text,
    find_file,
    global_names,
    is_within,
    package_of,
    parsed,
)

_DECLARATIONS = "touchline.features."  # decorators whose arguments are part of the version by themselves
_PLAIN = (type(None), bool, int, float, complex, str, type(Ellipsis))
_CONTAINERS = (dict, list, tuple, set, frozenset, bytes, bytearray)
_DEEPEST = 100


class ReachedCode:
    """Collects the parts of a version. `parts` holds texts and hashes by the name of the definition, file or value."""

    def __init__(self, owner: str, *, package_of_function: Callable[..., Any]) -> None:
        self.parts: dict[str, object] = {}
        self._owner = owner
        self._package = package_of(_module_of(package_of_function))
        self._split_files: set[str] = set()  # files of which only the reached definitions count
        self._labels: dict[int, tuple[str, object]] = {}  # by id, with the object, so that no other one gets its id
        self._open: list[int] = []

    def add(self, where: str, value: Any) -> None:
        """Add a function or value, which `where` names."""
        self.parts[f"value {where}"] = self._content(where, value)

    # --- code ---

    def _add_function(self, function: FunctionType) -> str:
        """A function: its definition and all that it uses, or its compiled code where it has no file."""
        code, module = function.__code__, function.__globals__.get("__name__", "")
        label, is_new = self._label(f"{self._relative(module)}.{code.co_qualname}", function)
        if not is_new:
            return label
        if not is_within(module, self._package):
            self.parts[f"function {label}"] = "library"
            self._add_carried(label, function, is_library=True)
            return label
        file = find_file(module, self._package)
        nodes = _nodes_of(file, code) if file is not None and str(file.path) == code.co_filename else []
        self.parts[f"function {label}"] = [code_text(node) for node in nodes] or _compiled(code)
        if file is not None and nodes:
            self._split_files.add(file.module)
            for node in nodes:
                self._add_references(file, node)
        else:
            for name in sorted(_global_names_of(code) & function.__globals__.keys()):
                self.add(f"{label}.{name}", function.__globals__[name])
        self._add_carried(label, function, is_library=False)
        return label

    def _add_carried(self, label: str, function: FunctionType, *, is_library: bool) -> None:
        """Values that a function carries: closed-over variables, defaults, the function it wraps.

        Of a library's function, such as a decorator makes, only the functions of the package among them count.
        """
        carried: dict[str, Any] = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # not assigned yet
                carried[name] = cell.cell_contents
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        carried |= {f"default {place}": value for place, value in enumerate(defaults)}
        if hasattr(function, "__wrapped__"):
            carried["wrapped"] = function.__wrapped__
        for name, value in carried.items():
            if not is_library or (callable(value) and is_within(_module_of(value), self._package)):
                self.add(f"{label}.{name}", value)

    def _add_class(self, cls: type) -> str:
        """A class of the package, its bases and values: its definition, or its methods where it has no file."""
        base_label = f"{self._relative(cls.__module__)}.{cls.__qualname__}"
        if not is_within(cls.__module__, self._package):
            return base_label
        label, is_new = self._label(base_label, cls)
        if not is_new:
            return label
        self.parts[f"class {label}"] = [self._content(label, base) for base in cls.__mro__[1:] if base is not object]
        file = find_file(cls.__module__, self._package)
        is_defined = file is not None and cls.__qualname__ in file.definitions
        if file is not None and is_defined:
            self._split_files.add(file.module)
            self._add_definition(file, cls.__qualname__)
        for name, value in sorted(vars(cls).items()):
            method = getattr(value, "__func__", value)
            if isinstance(method, FunctionType):
                if not is_defined:
                    self._add_function(method)
            elif not name.startswith("_") and not issubclass(cls, BaseModel):
                self._add_data(f"{label}.{name}", value)
        return label

    def _label(self, label: str, value: object) -> tuple[str, bool]:
        """A name for a function or class, and whether it is new: closures of one function share their name."""
        if id(value) in self._labels:
            return self._labels[id(value)][0], False
        alike = sum(found.split("#")[0] == label for found, _ in self._labels.values())
        label = f"{label}#{alike}" if alike else label
        self._labels[id(value)] = (label, value)
        return label, True

    def _add_references(self, file: PackageFile, node: ast.AST) -> None:
        for module, name in file.imports(node):
            self._add_import(module, name)
        names = global_names(node) if isinstance(node, ast.stmt | ast.expr) else set()
        for name in sorted(names):
            self._add_definition(file, name)

    def _add_definition(self, file: PackageFile, name: str) -> None:
        """A top-level name of a file: the statements that define it, all that they use, and its value."""
        label = f"definition {file.name}.{name}"
        if label in self.parts or name.startswith("__"):  # `__file__` differs from machine to machine
            return
        self.parts[label] = "open"
        statements = file.definitions.get(name) or file.definitions.get("*", [])
        if name not in file.definitions:
            values = self._values_of(file)
            self.parts[label] = self._content(name, values[name]) if name in values else "unknown"
        else:
            nodes = [self._reduced(file, node, name) for node in statements]
            self.parts[label] = [code_text(node) for node in nodes]
            self._add_value(file, name, statements)
            statements = nodes
        for node in statements:
            self._add_references(file, node)

    def _add_value(self, file: PackageFile, name: str, statements: Iterable[ast.stmt]) -> None:
        """The value of a name that was assigned. Functions, classes and imports are known by their code."""
        coded = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
        values = self._values_of(file)
        if name in values and not all(isinstance(node, coded) for node in statements):
            self.add(f"{file.name}.{name}", values[name])

    def _add_import(self, module: str, name: str | None) -> None:
        if name not in (None, "*") and module in self._split_files:
            file = find_file(module, self._package)
            if file is not None:
                self._add_definition(file, name or "")
            return
        parts = module.split(".")
        depth = len(self._package.split("."))
        for end in range(depth, len(parts) + 1):
            self._add_file(".".join(parts[:end]))
        if name not in (None, "*"):
            self._add_file(f"{module}.{name}")

    def _add_file(self, module: str) -> None:
        """A whole file of the package with all that it imports of the package."""
        file = find_file(module, self._package)
        label = f"file {self._relative(module)}"
        if file is None or label in self.parts:
            return
        self.parts[label] = code_text(file.tree)
        for imported, name in file.imports(file.tree):
            self._add_import(imported, name)
        values = self._values_of(file)
        for name in sorted(file.definitions.keys() & values.keys()):
            self._add_data(f"{file.name}.{name}", values[name])

    def _add_data(self, where: str, value: Any) -> None:
        """A value that code may use or not: tables, arrays, expressions and plain values. Code says the others."""
        is_table = type(value).__module__.split(".")[0] in ("polars", "numpy")
        if isinstance(value, (*_PLAIN, *_CONTAINERS)) or (is_table and not callable(value)):
            try:
                self.add(where, value)
            except InvalidView:
                self.parts[f"value {where}"] = "by its code"

    def _values_of(self, file: PackageFile) -> Mapping[str, Any]:
        return vars(sys.modules[file.module]) if file.module in sys.modules else {}

    def _reduced(self, file: PackageFile, node: ast.stmt, name: str) -> ast.stmt:
        """A statement as far as it defines a name: of an import that name alone, of a function without `@feature_view`.

        A version holds the arguments of such a declaration by themselves.
        """
        copy = parsed(ast.unparse(node)).body[0]
        if isinstance(copy, ast.FunctionDef | ast.AsyncFunctionDef):
            values = self._values_of(file)
            copy.decorator_list = [found for found in copy.decorator_list if not _is_declaration(found, values)]
        elif isinstance(copy, ast.Import | ast.ImportFrom):
            copy.names = [alias for alias in copy.names if (alias.asname or alias.name.split(".")[0]) in (name, "*")]
        return copy

    def _relative(self, module: str | None) -> str:
        return (module or "").removeprefix(self._package).lstrip(".")

    # --- values ---

    def _content(self, where: str, value: Any) -> object:
        """A value as something JSON can say; `InvalidView` names the value that has no stable content."""
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return [type(value).__name__, repr(value)]
        if id(value) in self._open:
            return "itself"
        if len(self._open) > _DEEPEST:
            raise self._refused(where, f"an object that holds others {_DEEPEST} deep")
        self._open.append(id(value))
        try:
            return self._code_content(where, value)
        finally:
            self._open.pop()

    def _code_content(self, where: str, value: Any) -> object:
        if isinstance(value, ModuleType):
            if is_within(value.__name__, self._package):
                self._add_file(value.__name__)
            return ["module", self._relative(value.__name__)]
        if isinstance(value, FunctionType):
            return ["function", self._add_function(value)]
        if isinstance(value, type):
            return ["class", self._add_class(value)]
        if isinstance(value, MethodType):
            return [
                "method",
                value.__name__,
                self._content(where, value.__self__),
                self._content(where, value.__func__),
            ]
        if isinstance(value, functools.partial):
            parts = [value.func, list(value.args), dict(value.keywords)]
            return ["partial", *(self._content(where, part) for part in parts)]
        if isinstance(value, BuiltinFunctionType):
            return ["builtin", value.__qualname__]
        if isinstance(value, functools._lru_cache_wrapper):
            return ["cache", self._content(where, value.__wrapped__)]
        return self._data_content(where, value)

    def _data_content(self, where: str, value: Any) -> object:
        if isinstance(value, dict):
            return ["dict", *([self._content(where, key), self._content(where, item)] for key, item in value.items())]
        if isinstance(value, list | tuple) and all(type(item) in _PLAIN for item in value):
            return [type(value).__name__, sha256(repr(value).encode()).hexdigest()]
        if isinstance(value, PurePath):
            return self._path_content(value)
        if isinstance(value, list | tuple):
            return [type(value).__name__, *(self._content(where, item) for item in value)]
        if isinstance(value, set | frozenset):
            return ["set", *sorted((self._content(where, item) for item in value), key=repr)]
        if isinstance(value, bytes | bytearray):
            return ["bytes", sha256(value).hexdigest()]
        if isinstance(value, BaseModel):
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return ["model", self._add_class(type(value)), self._content(where, fields)]
        if type(value).__module__.split(".")[0] == "polars":
            return self._polars_content(where, value)
        if type(value).__module__ == "numpy" and hasattr(value, "tobytes") and not value.dtype.hasobject:
            return ["array", value.dtype.str, list(value.shape), sha256(value.tobytes()).hexdigest()]
        return self._object_content(where, value)

    def _path_content(self, path: PurePath) -> object:
        """A path within the package by its place there, with what the file holds: the package may lie anywhere."""
        for folder in getattr(sys.modules.get(self._package), "__path__", ()):
            if path.is_relative_to(folder):
                content = sha256(Path(path).read_bytes()).hexdigest() if Path(path).is_file() else ""
                return ["path", path.relative_to(folder).as_posix(), content]
        return ["path", path.as_posix()]

    def _polars_content(self, where: str, value: Any) -> object:
        import polars as pl

        from touchline.ingest import content_hash

        if isinstance(value, pl.Expr):
            serialized = value.meta.serialize()
            if b"AnonymousFunction" in serialized:  # a pickled function, which differs from process to process
                raise self._refused(where, "an expression with a Python function")
            return ["expression", sha256(serialized).hexdigest()]
        if isinstance(value, pl.LazyFrame):
            value = value.collect()
        if isinstance(value, pl.Series):
            value = value.to_frame()
        return ["frame", content_hash(value)] if isinstance(value, pl.DataFrame) else self._object_content(where, value)

    def _object_content(self, where: str, value: Any) -> object:
        """An object as pickle would take it apart: how it is made, and its state."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as wrong:  # whatever a class does to say that it cannot be pickled
            raise self._refused(where, f"an object of type {type(value).__qualname__}") from wrong
        if isinstance(reduced, str):
            return ["name", type(value).__module__, reduced]
        make, arguments, state, items, pairs = (*reduced, *[None] * 5)[:5]
        if isinstance(state, dict):
            cached = {name for name in state if isinstance(_class_attribute(value, name), functools.cached_property)}
            state = {name: item for name, item in state.items() if name not in cached}
        parts = [make, list(arguments), state, list(items or ()), list(pairs or ())]
        return ["object", self._content(where, type(value)), *(self._content(where, part) for part in parts)]

    def _refused(self, where: str, description: str) -> InvalidView:
        return InvalidView(
            self._owner,
            f"reaches {where.lstrip('.') or 'its function'}, {description}, whose content cannot be compared",
            "Make it inside the function that uses it, or keep plain values, tables or expressions.",
        )


def _module_of(function: Any) -> str:
    """The module of a callable: of the function behind a partial, a cache or a method, of an object's class."""
    if isinstance(function, functools.partial):
        return _module_of(function.func)
    inner = inspect.unwrap(getattr(function, "__func__", function))
    return getattr(inner, "__module__", None) or type(inner).__module__


def _nodes_of(file: PackageFile, code: CodeType) -> list[ast.AST]:
    """The definitions that begin on the line of compiled code: one, or all lambdas of that line."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found: list[ast.AST] = []
    for node in ast.walk(file.tree):
        if isinstance(node, functions) and _first_line(node) == code.co_firstlineno:
            is_lambda = isinstance(node, ast.Lambda)
            if is_lambda == (code.co_name == "<lambda>"):
                found.append(node)
    return [_bare_function(node) for node in found]


def _first_line(node: Any) -> int:
    lines: list[int] = [node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))]
    return min(lines)


def _bare_function(node: ast.AST) -> ast.AST:
    """A function without its decorators: those that change it are reached as values around it."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node
    copy = parsed(ast.unparse(node)).body[0]
    assert isinstance(copy, ast.FunctionDef | ast.AsyncFunctionDef)
    copy.decorator_list = []
    return copy


def _is_declaration(decorator: ast.expr, values: Mapping[str, Any]) -> bool:
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    value: Any = None
    if isinstance(node, ast.Name):
        value = values.get(node.id)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        value = getattr(values.get(node.value.id), node.attr, None)
    return (getattr(value, "__module__", None) or "").startswith(_DECLARATIONS)


def _compiled(code: CodeType) -> list[object]:
    """Compiled code without a source file, with what lies inside it."""
    constants = [_compiled(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), constants]


def _global_names_of(code: CodeType) -> set[str]:
    inner = [item for item in code.co_consts if isinstance(item, CodeType)]
    return {*code.co_names, *(name for item in inner for name in _global_names_of(item))}


def _class_attribute(value: Any, name: str) -> Any:
    return inspect.getattr_static(type(value), name, None)
