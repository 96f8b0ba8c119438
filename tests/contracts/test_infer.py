from __future__ import annotations

import random
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
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
from touchline.errors import ColumnUnknown, TaskUnfit

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


def test_without_a_column_that_identifies_a_row_its_number_does() -> None:
    found = infer_contract(a_table().drop("Lead ID", "Created", "score"), name="leads")
    assert (found.key, found.row_number) == (("row_number",), True)
    assert "    row_number: int  # no column identifies a row" in render_contract(found)


def test_codes_with_leading_zeros_stay_text() -> None:
    assert inferred(zip=[f"{number:05d}" for number in range(ROWS)]).field("zip").kind == "str"


def test_words_for_null_are_found_where_they_keep_a_column_from_being_numbers() -> None:
    found = inferred(age=["-" if number % 9 == 0 else str(number) for number in range(ROWS)])
    assert found.null_values == ("-",)
    assert (found.field("age").kind, found.field("age").nullable, found.field("age").nulls) == ("int", True, 23)


@pytest.mark.parametrize(
    ("columns", "target", "leak", "copy"),
    [
        ({"decision": "bought"}, "bought", "it is bought in another spelling", True),
        ({"seller": "null_unless_bought"}, "bought", "it is bought in another spelling", True),
        ({"call_duration": "noise"}, "bought", "its name says 'duration'", False),
        ({"lead_profile": "noise", "tags": "noise"}, "bought", "its name says '(lead_profile|tags)'", False),
        ({"half": "half", "rest": "rest"}, "score", "score is a sum of half, rest", True),
        ({"half": "half", "double_rest": "double_rest"}, "score", "score is a sum of half, double_rest", False),
        ({"twice": "twice"}, "score", "it is score in another spelling", True),
    ],
)
def test_a_suspected_leak_is_listed_with_its_reason(
    columns: dict[str, str], target: str, leak: str, copy: bool
) -> None:
    found = inferred(target, **{name: made(kind) for name, kind in columns.items()})
    assert {item.column for item in found.leaks} == set(columns)
    assert all(item.is_copy == copy and re.search(leak, item.reason) for item in found.leaks)


def test_a_column_of_earlier_cases_is_not_suspected_for_its_name() -> None:
    assert inferred("bought", previous_cancelled=made("noise"), prior_outcome=made("noise")).leaks == ()


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
        "double_rest": [str(2 * (score - half)) for score, half in zip(scores, halves, strict=True)],
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


def test_no_more_than_one_table_of_noise_in_twenty_raises_a_suspicion() -> None:
    suspected = 0
    for seed in range(100):
        chance = np.random.default_rng(seed)
        rows = int(chance.choice([30, 60, 100, 300, 1000]))
        label = [chance.integers(0, 2, rows), chance.integers(0, 3, rows), chance.normal(size=rows)][seed % 3]
        columns = {f"x{place}": chance.normal(size=rows) for place in range(5)}
        columns |= {f"c{place}": chance.integers(0, 4, rows) for place in range(3)}
        suspected += bool(infer_contract(pl.DataFrame({**columns, "y": label}), name="noise", target="y").leaks)
    assert suspected <= 5


def test_columns_that_give_the_class_only_together_are_suspected() -> None:
    chance = np.random.default_rng(4)
    one, two = chance.integers(0, 2, 300), chance.integers(0, 2, 300)
    frame = pl.DataFrame({"one": one, "two": two, "x": chance.normal(size=300), "y": one ^ two})
    leaks = infer_contract(frame, name="xor", target="y").leaks
    assert [(leak.column, leak.is_copy) for leak in leaks] == [("one", False), ("two", False)]


@pytest.mark.parametrize("values", [range(3), range(1, 6), range(10), [0, 1], [3, 7]])
def test_whole_numbers_without_a_gap_from_0_or_1_are_classes_and_the_note_says_how_to_change_it(values: Any) -> None:
    chance = random.Random(5)
    frame = pl.DataFrame(
        {"x": [chance.random() for _ in range(300)], "y": [chance.choice(list(values)) for _ in range(300)]}
    )
    inference = infer_contract(frame, name="t", target="y")
    assert inference.classes == tuple(values)
    assert any("--task regression" in note for note in inference.notes)
    assert infer_contract(frame, name="t", target="y", task="regression").task == "regression"
    as_float = frame.with_columns(pl.col("y").cast(pl.Float64))
    assert infer_contract(as_float, name="t", target="y").classes == tuple(values)


def test_whole_numbers_with_gaps_are_numbers_unless_the_task_says_otherwise() -> None:
    frame = pl.DataFrame({"x": [float(n) for n in range(200)], "y": [(n % 7) * 10 for n in range(200)]})
    inference = infer_contract(frame, name="t", target="y")
    assert inference.task == "regression"
    assert any("--task classification" in note for note in inference.notes)
    assert infer_contract(frame, name="t", target="y", task="classification").task == "multiclass"


@pytest.mark.parametrize(
    "words",
    [
        *(["True", "False", "true", "FALSE"], ["Yes", "yes", "No"], ["Y", "n", "N"], ["Yes", "Y", "N", "No"]),
        *(["ja", "Ja", "nein", "Nein"], ["WAHR", "wahr", "FALSCH"], ["oui", "Oui", "non"], ["Sí", "sí", "no"]),
        *(["On", "ON", "off"], ["yes", "1", "no", "0"], ["true", "1.0", "False"], ["да", "Да", "нет"]),
        ["\uff39\uff25\uff33", "yes", "no"],
    ],
)
def test_spellings_of_true_and_false_are_two_classes(words: list[str]) -> None:
    frame = pl.DataFrame({"x": list(range(120)), "y": [words[n % len(words)] for n in range(120)]})
    inference = infer_contract(frame, name="t", target="y")
    assert (inference.task, inference.classes) == ("binary", (False, True))
    assert any("are read as true and false" in note for note in inference.notes)


@pytest.mark.parametrize(("words", "classes"), [(["ja", "nein"], ("nein", "ja")), (["J", "N"], ("N", "J"))])
def test_of_two_words_for_true_and_false_true_is_the_positive_class(words: list[str], classes: object) -> None:
    frame = pl.DataFrame({"x": list(range(60)), "y": words * 30})
    assert infer_contract(frame, name="t", target="y").classes == classes


@pytest.mark.parametrize("twin", ["Web", " web ", "web.", "\uff57eb"])
def test_classes_that_differ_by_case_alone_are_named(twin: str) -> None:
    frame = pl.DataFrame({"x": list(range(90)), "y": ["web", twin, "mail"] * 30})
    notes = infer_contract(frame, name="t", target="y").notes
    assert any("of y differ by case, blanks or a dot at the end alone" in note for note in notes) == (twin != " web ")


@pytest.mark.parametrize("name", ["rownames", "", "index", "Unnamed: 0", "anything"])
def test_whole_numbers_that_count_the_rows_are_the_key(name: str) -> None:
    frame = pl.DataFrame(
        {name: list(range(1, 101)), "x": [n % 7 for n in range(100)], "y": [n * 1.5 for n in range(100)]}
    )
    inference = infer_contract(frame, name="t", target="y")
    assert inference.key == (inference.fields[0].name,)


def identities(**columns: list[object]) -> dict[str, str | None]:
    frame = pl.DataFrame({name: pl.Series(name, values) for name, values in columns.items()})
    return {field.name: field.identity for field in infer_contract(frame, name="t").fields}


GAPS = [n * 37 + n % 5 for n in range(60)]
SHUFFLED = sorted(GAPS, key=lambda n: (n * 7919) % 61)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("number_of_row", GAPS, id="in order"),
        pytest.param("x", GAPS[::-1], id="in reverse order"),
        pytest.param("account", SHUFFLED, id="named like an id"),
        pytest.param("invoice_no", SHUFFLED, id="named like a number"),
        pytest.param("ref", [9_007_199_254_740_993 + n for n in SHUFFLED], id="beyond 2**53"),
    ],
)
def test_whole_numbers_that_differ_in_every_row_identify_it(name: str, values: list[object]) -> None:
    inference = infer_contract(pl.DataFrame({name: values, "x1": [n % 7 for n in range(60)]}), name="t")
    assert (inference.fields[0].identity, inference.key) == ("row", (name,))


@pytest.mark.parametrize("name", ["user_id", "UserID", "customerid", "session_uuid", "store_key"])
@pytest.mark.parametrize("as_text", [False, True])
def test_an_id_that_repeats_is_marked(name: str, as_text: bool) -> None:
    values = [f"u{1000 + n % 80}" if as_text else 1000 + n % 80 for n in range(400)]
    assert list(identities(**{name: values}).values()) == ["repeated"]


@pytest.mark.parametrize("name", ["Subject", "household", "Kundennummer", "customer", "level_0"])
def test_a_subject_with_a_number_that_repeats_is_marked(name: str) -> None:
    assert list(identities(**{name: [300 + n // 10 for n in range(400)]}).values()) == ["repeated"]
    assert list(identities(**{name: [n % 4 for n in range(400)]}).values()) == [None]


@pytest.mark.parametrize("target", [date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)])
def test_a_time_is_no_target(target: date) -> None:
    frame = pl.DataFrame({"x": [1.5] * 60, "y": [target + timedelta(days=n) for n in range(60)]})
    with pytest.raises(TaskUnfit, match="'y' cannot be the target of a regression, which predicts numbers"):
        infer_contract(frame, name="t", target="y")


@pytest.mark.parametrize("name", ["", "index", "Unnamed: 0", "level_1"])
def test_a_row_index_that_begins_again_is_no_input(name: str) -> None:
    assert list(identities(**{name: [n % 80 for n in range(240)]}).values()) == ["row"]


def test_whole_numbers_that_happen_to_differ_stay_and_are_asked_about() -> None:
    frame = pl.DataFrame({"population": SHUFFLED, "y": [0, 1] * 30})
    inference = infer_contract(frame, name="t", target="y")
    assert inference.fields[0].identity is None
    assert any(note.startswith("population is another whole number in every row") for note in inference.notes)


def test_more_digits_than_a_whole_number_has_are_text() -> None:
    frame = pl.DataFrame({"ref": [str(10**20 + n) for n in range(40)]})
    inference = infer_contract(frame, name="t")
    assert (inference.fields[0].kind, inference.key) == ("str", ("ref",))


def test_names_become_identifiers_that_differ() -> None:
    columns = ["m²", "\u00b5", "\u03bc", "float", "label", "cutoff", "row_number", "½", "class", "a b", "a_b"]
    frame = pl.DataFrame({column: [f"v{n}" for n in range(30)] for column in columns})
    inference = infer_contract(frame, name="t")
    names = [unicodedata.normalize("NFKC", field.name) for field in inference.fields]
    assert len(set(names)) == len(columns)
    assert all(name.isidentifier() for name in names)
    executed(inference)


def test_repeated_rows_are_counted() -> None:
    frame = pl.DataFrame(
        {"x": [n % 2 for n in range(40)], "z": [n % 4 for n in range(40)], "y": [n % 2 for n in range(40)]}
    )
    notes = infer_contract(frame, name="t", target="y").notes
    assert any(note.startswith("36 rows repeat another row exactly") for note in notes)


def test_rows_without_a_label_and_rare_classes_are_counted() -> None:
    labels = [None] * 7 + ["a"] + ["b", "c"] * 26
    notes = infer_contract(pl.DataFrame({"x": [1.5] * 60, "y": labels}), name="t", target="y").notes
    assert any(note.startswith("7 rows have no y") for note in notes)
    assert any("too rare to learn and to test: a (1 rows)" in note for note in notes)


def test_key_time_and_task_are_found() -> None:
    found = inferred()
    assert (found.key, found.row_number, found.event_time) == (("lead_id",), False, "created")
    assert (found.task, found.classes) == ("binary", ("no", "yes"))
    assert inferred("score").task == "regression"
    assert inferred("origin").task == "multiclass"


def test_days_and_months_that_may_be_the_other_way_round_are_named() -> None:
    found = inferred(Created=["01/02/2020"] * ROWS)
    assert found.ambiguous_dates == ("created",)
    assert inferred().ambiguous_dates == ()


def test_a_second_row_index_is_marked_and_a_year_is_none() -> None:
    found = identities(id=list(range(100)), rownames=list(range(1, 101)), year=list(range(1900, 2000)))
    assert found == {"id": "row", "rownames": "row", "year": None}
