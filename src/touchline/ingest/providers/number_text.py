"""Numbers as people write them: `1.234,56`, `$ 1,200`, `12 %`, `(350)`. A style holds for a whole column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import polars as pl

NumberStyle = Literal["1,234.56", "1.234,56"]

_NO_NUMBER = ("-", "--", "?", ".", "N/A", "n/a", "#N/A", "None", "none", "nan", "missing", "unknown")
# Signs of currencies and shares, their letters, and the blanks and apostrophes that group thousands.
_SIGNS = (
    r"[$€£¥₹%\s\u00a0\u2009\u202f'’]|^(?:USD|EUR|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|CAD|AUD|BRL|Rs\.?|R\$|kr)"
    r"|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|CAD|AUD|BRL|kr)$"
)
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# A dot that can only be a decimal point: not before exactly three digits, or after a nought.
_DECIMALS = r"\.(\d{0,2}|\d{4,})$|^[+-]?0*\.|[eE]"
# In India the groups above thousands have two digits: 12,34,567.
_GROUPED = {
    "1,234.56": r"^[+-]?(\d{1,3}(,\d{3})+|\d{1,2}(,\d{2})+,\d{3})(\.\d+)?$",
    "1.234,56": r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$",
}
_UNGROUPED = {"1,234.56": r"^[+-]?\d+(\.\d+)?$", "1.234,56": r"^[+-]?\d+(,\d+)?$"}


def _bare(texts: pl.Series) -> pl.Series:
    """The texts without signs and blanks; accounts write a negative number as `(1,200)` or `1,200-`."""
    bare = texts.str.replace_all(_SIGNS, "").str.replace("^[−–]", "-")
    return bare.str.replace(r"^\(([\d.,]+)\)$", "-${1}").str.replace(r"^([\d.,]+)[-−]$", "-${1}")


def plain_numbers(texts: pl.Series, style: NumberStyle) -> pl.Series:
    """The column in plain spelling (`1234.56`); a text that is no number in this style stays as it is."""
    bare = _bare(texts)
    thousands, decimal = (",", ".") if style == "1,234.56" else (".", ",")
    numbers = bare.str.replace_all(thousands, "", literal=True).str.replace(decimal, ".", literal=True)
    return numbers.zip_with(_fits(bare, style).fill_null(False), texts)


def with_plain_numbers(frame: pl.DataFrame, styles: Mapping[str, NumberStyle]) -> pl.DataFrame:
    """The frame with the columns of a declared style in plain spelling."""
    return frame.with_columns(
        [plain_numbers(frame[name], style) for name, style in styles.items() if name in frame.columns]
    )


def infer_number_style(texts: pl.Series, *, is_decimal_comma: bool) -> NumberStyle | None:
    """The style of a column that is not plain numbers; None when its values are plain, or fit no style.

    `1,234` and `1.234` mean two things: `is_decimal_comma` says that the rest of the file writes decimal commas.
    """
    given = texts.drop_nulls()
    given = given.filter(~given.is_in(list(_NO_NUMBER)))
    bare = _bare(given)
    if given.is_empty() or (given.str.contains(_PLAIN).all() and not _has_thousands_dots(given, is_decimal_comma)):
        return None
    order: tuple[NumberStyle, ...] = get_args(NumberStyle)
    for style in reversed(order) if is_decimal_comma or _has_thousands_dots(bare, is_decimal_comma) else order:
        if _fits(bare, style).all():
            return style
    return None


def has_decimal_commas(texts: pl.Series) -> bool:
    """Whether the column can only be read with decimal commas: `3,5`, `1.234,56`."""
    bare = _bare(texts.drop_nulls())
    return bare.len() > 0 and bool(_fits(bare, "1.234,56").all()) and not bool(_fits(bare, "1,234.56").all())


def ambiguous_dots(texts: pl.Series) -> str | None:
    """A value such as `355.125` where the whole column could mean thousands as well as decimals; else None."""
    given = texts.drop_nulls()
    given = given.filter(~given.is_in(list(_NO_NUMBER)))
    dotted = given.filter(given.str.contains(r"^[+-]?[1-9]\d{0,2}\.\d{3}$"))
    is_ambiguous = dotted.len() > 0 and bool((given.str.contains(_PLAIN) & ~given.str.contains(_DECIMALS)).all())
    return str(dotted[0]) if is_ambiguous else None


def _fits(bare: pl.Series, style: NumberStyle) -> pl.Series:
    return bare.str.contains(_GROUPED[style]) | bare.str.contains(_UNGROUPED[style])


def _has_thousands_dots(given: pl.Series, is_decimal_comma: bool) -> bool:
    """Dots before exactly three digits throughout, beside whole numbers below 1,000: `2.810` and `624`."""
    dotted = given.filter(given.str.contains(".", literal=True))
    if dotted.is_empty() or not dotted.str.contains(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$").all():
        return False
    whole = given.filter(~given.str.contains(".", literal=True))
    has_small = whole.len() > 0 and bool(whole.str.contains(r"^[+-]?\d{1,3}$").all())
    return is_decimal_comma or has_small or bool(dotted.str.contains(r"\..*\.").any())
