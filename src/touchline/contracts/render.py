"""An inferred contract as Python source, to be edited by a person."""

from __future__ import annotations

from touchline.contracts.infer import ROW_NUMBER
from touchline.contracts.inference import Inference, InferredField

_WIDTH = 100
_TYPES = {"bool": "bool", "int": "int", "float": "float", "str": "str", "datetime": "datetime", "date": "date"}


def render_contract(inference: Inference) -> str:
    """The class of the contract, as it stands in `project.py`; a comment tells what each column looked like."""
    leaks = {leak.column: leak.reason for leak in inference.leaks}
    lines = [f"class {inference.contract_name}(Contract):", f'    """One row of {inference.rows:,}, as found."""', ""]
    if inference.row_number:
        lines.append(f"    {ROW_NUMBER}: int  # no column identifies a row: the line of the file does")
    for field in inference.fields:
        if field.name in leaks:
            lines.append(f"    # suspected leak: {leaks[field.name]}")
        lines.extend(_field_lines(field))
    return "\n".join(lines) + "\n"


def contract_imports(inference: Inference) -> dict[str, tuple[str, ...]]:
    """The imports of the rendered class: module -> names."""
    source = render_contract(inference)
    wanted = {
        "datetime": [kind for kind in ("date", "datetime") if any(field.kind == kind for field in inference.fields)],
        "typing": [name for name in ("Annotated", "Literal") if f"{name}[" in source],
        "touchline": ["Field"] if "Field(" in source else [],
        "touchline.contracts": ["DateFormat"] if "DateFormat(" in source else [],
    }
    return {module: tuple(names) for module, names in wanted.items() if names}


def _field_lines(field: InferredField) -> list[str]:
    kind = _levels(field) if field.levels else _TYPES[field.kind]
    if field.formats:
        kind = f"Annotated[{kind}, DateFormat({', '.join(map(repr, field.formats))})]"
    text = f"    {field.name}: {kind}"
    if field.nullable:
        text += " | None"
    text += _default(field)
    comment = _comment(field)
    if len(text) + len(comment) + 4 <= _WIDTH:
        return [f"{text}  # {comment}" if comment else text]
    lines = [f"    # {comment}"] if comment else []
    return lines + _wrapped(field, text)


def _levels(field: InferredField) -> str:
    return f"Literal[{', '.join(_quoted(level) for level in field.levels)}]"


def _quoted(level: str | int) -> str:
    """A literal in double quotes where that reads better, as formatters write it."""
    text = repr(level)
    return f'"{level}"' if isinstance(level, str) and text == f"'{level}'" and '"' not in level else text


def _default(field: InferredField) -> str:
    bound = (
        "ge=0"
        if field.kind in ("int", "float") and not field.is_negative and not field.levels and field.distinct
        else ""
    )
    if field.nullable:
        return f" = Field(None, {bound})" if bound else " = None"
    return f" = Field({bound})" if bound else ""


def _comment(field: InferredField) -> str:
    parts = []
    if field.least is not None and not field.levels:
        parts.append(f"{field.least} to {field.most}")
    if field.kind == "str" and not field.levels:
        parts.append(f"{field.distinct:,} different value{'' if field.distinct == 1 else 's'}")
    if field.nulls:
        parts.append(f"{field.nulls:,} nulls")
    return ", ".join(parts)


def _wrapped(field: InferredField, text: str) -> list[str]:
    if len(text) <= _WIDTH or not field.levels:
        return [text]
    begin, end = text.split(_levels(field))
    lines, line = [f"{begin}Literal["], "       "
    for level in field.levels:
        word = f" {_quoted(level)},"
        if len(line) + len(word) > _WIDTH:
            lines.append(line)
            line = "       "
        line += word
    return [*lines, line, f"    ]{end}"]
