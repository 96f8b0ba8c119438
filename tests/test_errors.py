"""The tree of errors in the docstring of their package is the tree there is."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
import textwrap

from touchline import errors
from touchline.http.problems import FieldProblem, InvalidRequest, NoRelease

WIDTH = 110


def tree_below(kind: type[BaseException], indent: str = "    ") -> str:
    """The classes below one: each that has subclasses on a line of its own, the others together."""
    ours = [one for one in kind.__subclasses__() if one.__module__.startswith("touchline.errors.")]
    classes = sorted(ours, key=lambda one: one.__name__)
    lines = [f"{indent}{kind.__name__}"]
    for parent in (one for one in classes if one.__subclasses__()):
        lines.append(tree_below(parent, indent + "    "))
    if leaves := ", ".join(one.__name__ for one in classes if not one.__subclasses__()):
        lines.append(textwrap.fill(leaves, WIDTH, initial_indent=indent + "    ", subsequent_indent=indent + "    "))
    return "\n".join(lines)


def test_the_tree_in_the_docstring_is_complete() -> None:
    tree = tree_below(errors.TouchlineError)
    assert tree in str(errors.__doc__), f"the docstring of touchline.errors must hold this tree:\n{tree}"


def test_a_problem_document_is_shown_as_text() -> None:
    problems = [
        FieldProblem("age", "missing field", None, None),
        FieldProblem("colour", "no level", "rde", "red, blue"),
    ]
    refused = errors.ServerRefused(
        "http://x/predict", 422, InvalidRequest(problems).body("c").decode(), needs_key=False
    )
    assert str(refused) == (
        "http://x/predict answered 422: The request does not fit the declared fields: age: missing field\n"
        "  colour: no level (it is 'rde'); allowed: red, blue"
    )
    busy = errors.ServerRefused(
        "http://x", 503, NoRelease("shop", "nothing is in it.").body().decode(), needs_key=False
    )
    assert str(busy) == "http://x answered 503: shop cannot answer: nothing is in it."
    assert str(errors.ServerRefused("http://x", 502, "<html>", needs_key=False)) == "http://x answered 502: <html>"


def test_every_error_is_exported_by_its_file_and_by_the_package() -> None:
    for module in pkgutil.iter_modules(errors.__path__, "touchline.errors."):
        loaded = importlib.import_module(module.name)
        classes = {
            name for name, value in vars(loaded).items() if inspect.isclass(value) and value.__module__ == module.name
        }
        texts = {"as_sentence", "failure_in_words", "nearest", "without_error_kind", "without_passwords"}
        assert classes == set(loaded.__all__) - texts
        assert all(getattr(errors, name) is getattr(loaded, name) for name in loaded.__all__)


def test_a_request_s_problem_reaches_another_process_as_itself() -> None:
    problem = InvalidRequest([FieldProblem("unit", "is missing", None, "text")])
    again = pickle.loads(pickle.dumps(problem))
    assert (type(again), str(again), again.document()) == (InvalidRequest, str(problem), problem.document())


def test_a_reason_that_ends_its_sentence_gets_no_second_stop() -> None:
    refused = errors.BackendUnavailable("The database", "is it up?", "Start it.")
    assert str(refused) == "The database is not available: is it up? Start it."
