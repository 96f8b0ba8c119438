from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import polars as pl
import pytest
from pydantic import AfterValidator, ConfigDict, Field, StrictInt, computed_field, field_validator

from touchline.contracts import Contract, DateFormat, compile_contract, row_check
from touchline.errors import InvalidContract


class WithDecimal(Contract):
    price: Decimal


class WithList(Contract):
    tags: list[str]


class WithTwoTypes(Contract):
    value: int | str


class WithFunction(Contract):
    value: Annotated[int, AfterValidator(abs)]


class WithValidator(Contract):
    value: int

    @field_validator("value")
    @classmethod
    def positive(cls, value: int) -> int:
        return value


class WithComputed(Contract):
    value: int

    @computed_field  # type: ignore[prop-decorator]  # mypy: decorators on top of @property
    @property
    def double(self) -> int:
        return 2 * self.value


class WithAlias(Contract):
    value: int = Field(alias="Value")


class WithStrict(Contract):
    value: StrictInt


class WithFactory(Contract):
    value: int = Field(default_factory=int)


class WithDateFormatOnText(Contract):
    value: Annotated[str, DateFormat("%d")]


class WithLookAhead(Contract):
    value: Annotated[str, "metres"]


class WithLowerCase(Contract):
    model_config = ConfigDict(str_to_lower=True)
    value: str


class WithUnknownColumn(Contract):
    value: int

    @row_check
    def positive(cls) -> pl.Expr:
        return pl.col("valeu") > 0


class WithNoExpression(Contract):
    value: int

    @row_check
    def positive(cls) -> Any:
        return True


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (WithDecimal, r"WithDecimal\.price: the type 'Decimal' cannot be checked in bulk\. Use one of bool, int"),
        (WithList, r"WithList\.tags: the type 'list"),
        (WithTwoTypes, r"WithTwoTypes\.value: int \| str is several types"),
        (WithFunction, r"WithFunction\.value: 'AfterValidator' cannot be checked in bulk"),
        (WithValidator, r"'positive' is a Pydantic validator or computed field.*Write it as @row_check"),
        (WithComputed, r"'double' is a Pydantic validator or computed field"),
        (WithAlias, r"WithAlias\.value: it has an alias\. Rename the column in the provider"),
        (WithStrict, r"WithStrict\.value: 'strict' cannot be checked in bulk"),
        (WithFactory, r"WithFactory\.value: it has a default_factory"),
        (WithDateFormatOnText, r"DateFormat is given for a column of str"),
        (WithLookAhead, r"WithLookAhead\.value: 'str' cannot be checked in bulk"),
        (WithLowerCase, r"model_config 'str_to_lower' has no columnar form"),
        (WithUnknownColumn, r"row check 'positive' reads the unknown column 'valeu'"),
        (WithNoExpression, r"row check 'positive' returns bool\. Return a polars Expr"),
    ],
)
def test_what_cannot_be_checked_in_bulk_is_refused(contract: type[Contract], message: str) -> None:
    with pytest.raises(InvalidContract, match=message):
        compile_contract(contract)


def test_the_error_names_file_and_line() -> None:
    with pytest.raises(InvalidContract, match=r"test_refused\.py:\d+: ") as caught:
        compile_contract(WithDecimal)
    assert caught.value.field == "price"
