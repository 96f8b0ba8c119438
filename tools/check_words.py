"""Refuse names that do not say what they name: metaphors and participles in files, classes, functions and parameters.

python tools/check_words.py [FOLDER]
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# As any part of a name (`judge_interval`, `tell`), with the word to use instead.
METAPHORS = {
    "ask": "request",
    "asked": "requested",
    "asking": "request",
    "contest": "search",
    "door": "stores",
    "house": "stores",
    "judge": "evaluate",
    "judged": "evaluated",
    "judges": "gates",
    "opponent": "reference",
    "opponents": "references",
    "said": "predicted",
    "say": "on_progress",
    "tell": "on_progress",
    "told": "message",
    "wanted": "requested",
    "workplace": "context",
    "workshop": "context",
}
# The names of OpenAPI schemas are those of the errors that they describe.
SCHEMAS = frozenset({"FieldProblem", "Problem"})
# As a whole name: say what was found, kept or chosen.
PARTICIPLES = frozenset({"chosen", "found", "kept", "known", "made", "served", "taken"})


def main(root: Path) -> int:
    """Print every breach; the exit code is 1 if there is one."""
    breaches = list(breaches_below(root))
    for breach in breaches:
        print(breach)
    print(f"words: {len(breaches)} breaches")
    return bool(breaches)


def breaches_below(root: Path) -> Iterator[str]:
    """A sentence about each name that the rule refuses, and about each public class whose name another one has."""
    homes: dict[str, Path] = {}
    for path in sorted((root / "src").rglob("*.py")):
        place, tree = path.relative_to(root / "src"), ast.parse(path.read_bytes())
        for name in (path.stem, *names_in(tree)):
            if reason := refusal(name):
                yield f"{place}: {name!r} {reason}"
        for name in (node.name for node in tree.body if isinstance(node, ast.ClassDef)):
            if not name.startswith("_") and name not in SCHEMAS and homes.setdefault(name, place) != place:
                yield f"{place}: {name!r} is a class of {homes[name]}, too; one class name has one meaning"


def names_in(tree: ast.Module) -> Iterator[str]:
    """The names of classes, functions and parameters, and of attributes that a class or a module declares."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef | ast.Module):
            yield from _declared(node.body)
        if isinstance(node, ast.arg):
            yield node.arg


def _declared(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def refusal(name: str) -> str | None:
    """Why a name is refused, or None.

    >>> refusal("judge_interval"), refusal("found"), refusal("found_rows")
    ("uses the word 'judge'; say 'evaluate'", "is a participle: name the thing, such as 'rows'", None)
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    if len(words) == 1 and words[0] in PARTICIPLES:
        return "is a participle: name the thing, such as 'rows'"
    metaphor = next((word for word in words if word in METAPHORS), None)
    return f"uses the word {metaphor!r}; say {METAPHORS[metaphor]!r}" if metaphor else None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()))
