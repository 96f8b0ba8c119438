from __future__ import annotations

import random
import re
from datetime import date
from typing import Any

import polars as pl
import pytest

from touchline.contracts import (
    Contract,
    Inference,
    compile_contract,
    contract_imports,
    infer_contract,
    render_contract,
)
from touchline.errors import ColumnUnknown

ROWS = 200


def a_table(**columns: list[Any]) -> pl.DataFrame:
    chance = random.Random(1)
    base = {
        "Lead ID": [f"L{number:04d}" for number in range(ROWS)],
        "Created": [f"{1 + number % 28:02d}/{1 + number % 12:02d}/2020" for number in range(ROWS)],
        "visits": [str(chance.randint(0, 40)) for _ in range(ROWS)],
        "score": [f"{chance.gauss(0, 1):.4f}" for _ in range(ROWS)],
        "origin": [chance.choice(["web", "mail", "phone"]) for _ in range(ROWS)],
        "bought": [chance.choice(["yes", "no"]) for _ in range(ROWS)],
    }
    return pl.DataFrame({**base, **columns})


def inferred(target: str | None = "bought", **columns: list[Any]) -> Inference:
    return infer_contract(a_table(**columns), name="our leads", target=target)


def test_kinds_names_and_spellings_are_found() -> None:
    found = inferred()
    assert [(field.name, field.kind) for field in found.fields] == [
        ("lead_id", "str"),
        ("created", "date"),
        ("visits", "int"),
        ("score", "float"),
        ("origin", "str"),
        ("bought", "str"),
    ]
    assert found.contract_name == "OurLeads"
    assert found.rename == {"Lead ID": "lead_id", "Created": "created"}
    assert found.field("created").formats == ("%d/%m/%Y",)
    assert found.field("origin").levels == ("mail", "phone", "web")


def test_key_time_and_task_are_found() -> None:
    found = inferred()
    assert (found.key, found.row_number, found.event_time) == (("lead_id",), False, "created")
    assert (found.task, found.classes) == ("binary", ("no", "yes"))
    assert inferred("score").task == "regression"
    assert inferred("origin").task == "multiclass"


def test_without_a_column_that_identifies_a_row_its_number_does() -> None:
    found = infer_contract(a_table().drop("Lead ID", "Created", "score"), name="leads")
    assert (found.key, found.row_number) == (("row_number",), True)
    assert "    row_number: int  # no column identifies a row" in render_contract(found)


def test_days_and_months_that_may_be_the_other_way_round_are_named() -> None:
    found = inferred(Created=["01/02/2020"] * ROWS)
    assert found.ambiguous_dates == ("created",)
    assert inferred().ambiguous_dates == ()


def test_codes_with_leading_zeros_stay_text() -> None:
    assert inferred(zip=[f"{number:05d}" for number in range(ROWS)]).field("zip").kind == "str"


def test_words_for_null_are_found_where_they_keep_a_column_from_being_numbers() -> None:
    found = inferred(age=["-" if number % 9 == 0 else str(number) for number in range(ROWS)])
    assert found.null_values == ("-",)
    assert (found.field("age").kind, found.field("age").nullable, found.field("age").nulls) == ("int", True, 23)


@pytest.mark.parametrize(
    ("columns", "target", "leak", "certain"),
    [
        ({"decision": "bought"}, "bought", "it alone gives bought exactly", True),
        ({"seller": "null_unless_bought"}, "bought", "whether it is null gives bought exactly", True),
        ({"call_duration": "noise"}, "bought", "its name says 'duration'", False),
        ({"half": "half", "rest": "rest"}, "score", "score is a sum of half, rest", True),
        ({"twice": "twice"}, "score", r"it runs with score \(correlation 1.0000\)", True),
    ],
)
def test_a_suspected_leak_is_listed_with_its_reason(
    columns: dict[str, str], target: str, leak: str, certain: bool
) -> None:
    found = inferred(target, **{name: made(kind) for name, kind in columns.items()})
    assert {item.column for item in found.leaks} == set(columns)
    assert all(item.is_certain == certain and re.search(leak, item.reason) for item in found.leaks)


def made(kind: str) -> list[Any]:
    table, chance = a_table(), random.Random(2)
    halves = [chance.gauss(0, 1) for _ in range(ROWS)]
    scores = table["score"].cast(pl.Float64).to_list()
    return {
        "bought": table["bought"].str.to_uppercase().to_list(),
        "null_unless_bought": ["s1" if bought == "yes" else None for bought in table["bought"]],
        "noise": [str(chance.randint(1, 9)) for _ in range(ROWS)],
        "half": [str(half) for half in halves],
        "rest": [str(score - half) for score, half in zip(scores, halves, strict=True)],
        "twice": [str(2 * score) for score in scores],
    }[kind]


def test_goals_are_found_out_by_which_is_larger() -> None:
    chance = random.Random(3)
    home, away = ([chance.randint(0, 5) for _ in range(ROWS)] for _ in range(2))
    winner = ["h" if one > two else "a" if one < two else "d" for one, two in zip(home, away, strict=True)]
    found = infer_contract(pl.DataFrame({"home": home, "away": away, "winner": winner}), name="games", target="winner")
    assert [leak.reason for leak in found.leaks] == ["winner is which of home and away is larger"] * 2


def test_the_rendered_contract_accepts_the_table_it_was_inferred_from() -> None:
    found = inferred(
        Date=["2020-01-01"] * ROWS,
        flag=["True", "false"] * (ROWS // 2),
        quote=['it\'s "so"', "back\\slash"] * (ROWS // 2),
        age=[None if number % 9 == 0 else str(number - 5) for number in range(ROWS)],
    )
    contract = executed(found)
    table = a_table(
        Date=["2020-01-01"] * ROWS,
        flag=["True", "false"] * (ROWS // 2),
        quote=['it\'s "so"', "back\\slash"] * (ROWS // 2),
        age=[None if number % 9 == 0 else str(number - 5) for number in range(ROWS)],
    )
    checked = compile_contract(contract).check(table.rename(found.rename))
    assert checked.rejected.is_empty()
    assert checked.accepted["created"][0] == date(2020, 1, 1)


def executed(found: Inference) -> type[Contract]:
    lines = [f"from {module} import {', '.join(names)}" for module, names in contract_imports(found).items()]
    lines.append("from touchline.contracts import Contract")
    space: dict[str, Any] = {"__name__": __name__}
    source = "\n".join(lines) + "\n" + render_contract(found)
    exec(compile(source, "<rendered>", "exec", dont_inherit=True), space)
    contract: type[Contract] = space[found.contract_name]
    return contract


def test_an_unknown_target_names_its_neighbour() -> None:
    with pytest.raises(ColumnUnknown, match=r"our leads has no column 'boght'\. Did you mean 'bought'\?"):
        inferred("boght")
