"""The kind of values that the texts of a column represent."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from touchline.contracts.fields import FieldSpec, Kind
from touchline.contracts.parse import FALSE_WORDS, TRUE_WORDS, parse_column, plain_words
from touchline.contracts.table_times import TIME_NAMES

_SPELT_NULLS = ("?", "-", "--", ".", "N/A", "n/a", "None", "none", "NULL", "nan", "#N/A", "missing", "unknown")
_DAYS = (
    *("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%Y%m%d"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%y", "%Y-%m", "%Y/%m", "%m/%Y"),
    *("%a %b %d %Y", "%a, %d %b %Y", "%A, %B %d, %Y", "%A, %d %B %Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%b %y"),
)
# One file may write the year in two ways; the long form is tried first.
_MIXED_DAYS = tuple((form.replace("%y", "%Y"), form) for form in ("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y"))
# No whole number of the contract has more digits: longer ones are names.
_LONGEST_NUMBER = 18
_TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
_INSTANTS = (
    *("%Y%m%dT%H%M", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%d/%b/%Y:%H:%M:%S", "%d/%b/%Y:%H:%M:%S %z"),
    *("%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT"),
)
# Digits alone are a time where the name of the column says so.
_DIGIT_TIMES: tuple[tuple[Kind, str, str], ...] = (
    ("date", "%Y%m%d", r"^(19|20)\d{6}$"),
    ("datetime", "%Y%m%d%H%M", r"^(19|20)\d{10}$"),
    ("datetime", "%Y%m%d%H%M%S", r"^(19|20)\d{12}$"),
)
_MOST_LEVELS = 50
_MOST_CLASSES = 20


@dataclass(frozen=True)
class InferredKind:
    """The kind of a column, its values in that kind, and the spelling of its dates or its levels."""

    kind: Kind
    values: pl.Series
    levels: tuple[str | int, ...] = ()
    formats: tuple[str, ...] = ()
    is_ambiguous: bool = False


def spelt_nulls(frame: pl.DataFrame) -> tuple[str, ...]:
    """Words that stand for null: `?` anywhere, and others where they alone keep a column from being numbers."""
    found = []
    for word in _SPELT_NULLS:
        for column in frame.iter_columns():
            if column.dtype == pl.String and (column == word).any() and (word == "?" or _else_numbers(column)):
                found.append(word)
                break
    return tuple(found)


def _else_numbers(column: pl.Series) -> bool:
    rest = column.filter(~column.is_in(list(_SPELT_NULLS))).drop_nulls()
    return rest.len() > 0 and rest.cast(pl.Float64, strict=False).null_count() == 0


def infer_kind(column: pl.Series, *, is_target: bool, task: str | None = None) -> InferredKind:
    """The narrowest kind that every value fits; a target of classes keeps them as its levels.

    Whole numbers of a target are classes when they are two values or run without a gap from 0 or 1 to at most 20;
    `task` ("classification" or "regression") overrides the rule.
    """
    if column.dtype != pl.String:
        return _of_typed(column, is_target=is_target, task=task)
    values = column.str.strip_chars()
    values = values.zip_with((values != "").fill_null(False), pl.Series([None], dtype=pl.String))
    given = values.drop_nulls()
    if given.is_empty():
        return InferredKind("str", values)
    if not is_target and (written := _digit_time(values)) is not None:
        return written
    for kind in ("int", "float"):
        if _is_code(given):
            break
        parsed = parse_column(_spec(kind), values, "UTC")
        if parsed.failed is None and parsed.values.null_count() == values.null_count():
            return _number(kind, parsed.values, is_target=is_target, task=task)
    if _is_boolean(given, is_target=is_target):
        return InferredKind("bool", parse_column(_spec("bool"), values, "UTC").values)
    return _time(values) or _text(values, is_target=is_target)


def _of_typed(column: pl.Series, *, is_target: bool, task: str | None) -> InferredKind:
    if column.dtype.is_integer():
        return _number("int", column.cast(pl.Int64), is_target=is_target, task=task)
    if column.dtype.is_numeric():
        whole = column.drop_nulls().drop_nans()
        if is_target and whole.len() and (whole == whole.round()).all() and whole.abs().max() < 2**53:  # type: ignore[operator]
            return _number("int", column.fill_nan(None).cast(pl.Int64), is_target=True, task=task)
        return InferredKind("float", column.cast(pl.Float64).fill_nan(None))
    if column.dtype == pl.Boolean:
        return InferredKind("bool", column)
    if column.dtype == pl.Date:
        return InferredKind("date", column)
    if isinstance(column.dtype, pl.Datetime):
        return InferredKind("datetime", column)
    return _text(column.cast(pl.String), is_target=is_target)


def _is_boolean(given: pl.Series, *, is_target: bool) -> bool:
    """True and false in any spelling; a target of two spellings keeps them as its classes."""
    words = set(plain_words(given).unique())
    if not is_target:
        return words <= {"true", "false"}
    both = words & TRUE_WORDS and words & FALSE_WORDS
    return given.n_unique() > 2 and bool(both) and words <= TRUE_WORDS | FALSE_WORDS


def _are_classes(distinct: pl.Series, rows: int) -> bool:
    if distinct.len() <= 2:
        return True
    least, most = int(distinct[0]), int(distinct[-1])
    has_no_gap = least in (0, 1) and most - least + 1 == distinct.len()
    return has_no_gap and distinct.len() <= _MOST_CLASSES and rows >= 5 * distinct.len()


def _number(kind: Kind, values: pl.Series, *, is_target: bool, task: str | None) -> InferredKind:
    if not is_target or kind != "int" or task == "regression":
        return InferredKind(kind, values)
    distinct = values.drop_nulls().unique().sort()
    if task == "classification" or _are_classes(distinct, values.len()):
        return InferredKind(kind, values, levels=tuple(distinct.to_list()))
    return InferredKind(kind, values)


def _is_code(given: pl.Series) -> bool:
    """Digits with leading zeros are codes (a postcode), not numbers; so are more digits than a whole number has."""
    is_long = given.str.contains(r"^\d+$") & (given.str.len_chars() > _LONGEST_NUMBER)
    return bool((given.str.contains(r"^0\d") | is_long).any())


def _time(values: pl.Series) -> InferredKind | None:
    sample = values.drop_nulls().head(1)
    if not sample.str.contains(r"\d{1,4}[-/.T]?\d{1,2}|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2}|[A-Za-z]{3,9}[- ]\d{2}").any():
        return None
    fits = [form for form in _DAYS if _fits(_spec("date", form), values)]
    if fits:
        spec = _spec("date", fits[0])
        swapped = {fits[0].replace("%d", "%x").replace("%m", "%d").replace("%x", "%m")} & set(fits[1:])
        formats = () if fits[0] == "%Y-%m-%d" else (fits[0],)
        return InferredKind(
            "date", parse_column(spec, values, "UTC").values, formats=formats, is_ambiguous=bool(swapped)
        )
    for forms in _MIXED_DAYS:
        if _fits(_spec("date", *forms), values):
            parsed = parse_column(_spec("date", *forms), values, "UTC").values
            return InferredKind("date", parsed, formats=forms)
    if _fits(_spec("datetime"), values):
        return InferredKind("datetime", parse_column(_spec("datetime"), values, "UTC").values)
    for form in (*_INSTANTS, *(f"{day} {time}" for day in _DAYS for time in _TIMES)):
        if _fits(_spec("datetime", form), values):
            spec = _spec("datetime", form)
            return InferredKind("datetime", parse_column(spec, values, "UTC").values, formats=(form,))
    return None


def _digit_time(values: pl.Series) -> InferredKind | None:
    """A day or an instant written in digits alone, such as 20210331, in a column named like a time."""
    if not TIME_NAMES.search(values.name.lower()):
        return None
    for kind, form, pattern in _DIGIT_TIMES:
        spec = _spec(kind, form)
        if values.drop_nulls().str.contains(pattern).all() and _fits(spec, values):
            return InferredKind(kind, parse_column(spec, values, "UTC").values, formats=(form,))
    return None


def _fits(spec: FieldSpec, values: pl.Series) -> bool:
    if parse_column(spec, values.drop_nulls().head(20), "UTC").failed is not None:
        return False
    return parse_column(spec, values, "UTC").failed is None


def _text(values: pl.Series, *, is_target: bool) -> InferredKind:
    levels = values.drop_nulls().unique().sort()
    most = _MOST_CLASSES if is_target else min(_MOST_LEVELS, max(2, values.len() // 20))
    if 1 < levels.len() <= most or (is_target and levels.len() == 1):
        names = levels.to_list()
        words = plain_words(levels).to_list()
        if is_target and len(words) == 2 and words[0] in TRUE_WORDS and words[1] in FALSE_WORDS:
            names.reverse()  # of two classes the second is the positive one
        return InferredKind("str", values, levels=tuple(names))
    return InferredKind("str", values)


def _spec(kind: Kind, *formats: str) -> FieldSpec:
    return FieldSpec("value", kind, True, False, None, (), (), formats, "any")
