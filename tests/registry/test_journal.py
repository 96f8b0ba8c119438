"""The journal decides what is live; nobody overwrites anybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, delete
from sqlalchemy.exc import IntegrityError

from touchline.clock import FrozenClock
from touchline.errors import LeaseLost, StageConflict
from touchline.registry import Journal, Move, parse_reference
from touchline.storage import Database
from touchline.storage.tables import stage_changes

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
TO_STAGING = Move(1, "None", "Staging", reason="gates passed")
TO_PRODUCTION = Move(1, "Staging", "Production", reason="first version")


def a_journal(database: Database, at: datetime = NOON) -> Journal:
    return Journal(database, FrozenClock(at))


def with_two_productions(database: Database) -> Journal:
    journal = a_journal(database)
    journal.append("p", [TO_STAGING, TO_PRODUCTION], expected=0, actor="ann")
    journal.append("p", [Move(2, "None", "Staging")], expected=2, actor="ann")
    later = a_journal(database, NOON + timedelta(days=1))
    later.append("p", [Move(2, "Staging", "Production"), Move(1, "Production", "Archived")], expected=3, actor="bob")
    return later


def test_a_project_without_changes_has_every_version_in_none(database: Database) -> None:
    state = a_journal(database).state("p")
    assert (state.sequence, state.stage(7), state.production, state.rollback) == (0, "None", None, None)


def test_the_first_step_passes_through_staging(database: Database) -> None:
    journal = a_journal(database)
    journal.append("p", [TO_STAGING, TO_PRODUCTION], expected=0, actor="ann")
    assert [(c.from_stage, c.to_stage, c.actor) for c in journal.history("p")] == [
        ("None", "Staging", "ann"),
        ("Staging", "Production", "ann"),
    ]
    assert journal.state("p").production == 1


def test_a_late_writer_is_told_by_whom(database: Database) -> None:
    journal = a_journal(database)
    journal.append("p", [TO_STAGING], expected=0, actor="ann")
    with pytest.raises(StageConflict, match="from entry 0 to 1 meanwhile: ann moved version 1 from None to Staging"):
        journal.append("p", [Move(2, "None", "Staging")], expected=0, actor="bob")
    assert len(journal.history("p")) == 1


def test_projects_do_not_see_each_other(database: Database) -> None:
    journal = a_journal(database)
    journal.append("p", [TO_STAGING], expected=0, actor="ann")
    journal.append("q", [TO_STAGING], expected=0, actor="ann")
    assert (journal.head("p"), journal.head("q")) == (1, 1)


def test_what_was_live_at_an_instant_can_be_asked_for_ever(database: Database) -> None:
    journal = with_two_productions(database)
    assert journal.at("p", NOON - timedelta(seconds=1)).production is None
    assert journal.at("p", NOON).production == 1
    assert journal.at("p", NOON + timedelta(days=1)).production == 2


def test_the_version_before_is_the_one_to_roll_back_to(database: Database) -> None:
    journal = with_two_productions(database)
    assert (journal.state("p").rollback, journal.stages("p")) == (1, {1: "Archived", 2: "Production"})


def test_after_a_rollback_the_bad_version_is_not_the_next_target(database: Database) -> None:
    journal = with_two_productions(database)
    moves = [Move(1, "Archived", "Production"), Move(2, "Production", "Archived")]
    journal.append("p", moves, expected=5, actor="bob")
    assert (journal.state("p").production, journal.state("p").rollback) == (1, None)


def test_a_demoted_production_leaves_its_predecessor_to_return_to(database: Database) -> None:
    journal = with_two_productions(database)
    journal.append("p", [Move(2, "Production", "Archived", reason="wrong units")], expected=5, actor="bob")
    assert (journal.state("p").production, journal.state("p").rollback) == (None, 1)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("models:/football/Production", "stage", "Production"),
        ("models:/football@production", "stage", "Production"),
        ("Production", "stage", "Production"),
        ("production", "stage", "Production"),
        ("STAGING", "stage", "Staging"),
        ("models:/football/7", "version", "7"),
        ("v7", "version", "7"),
        ("1.2.0", "semantic", "1.2.0"),
        ("rollback", "rollback", "rollback"),
        ("latest", "latest", "latest"),
        ("prodution", "unknown", "prodution"),
    ],
)
def test_every_spelling_of_a_version_is_understood(text: str, kind: str, value: str) -> None:
    found = parse_reference(text)
    assert (found.kind, found.value) == (kind, value)


def test_a_journal_read_before_sees_what_another_process_wrote(database: Database) -> None:
    one, other = a_journal(database), a_journal(database)
    one.append("p", [Move(1, "None", "Staging")], expected=0, actor="ann")
    assert (one.state("p").staging, other.state("p").staging) == (1, 1)
    other.append("p", [Move(2, "None", "Staging"), Move(1, "Staging", "Archived")], expected=1, actor="ben")
    assert one.state("p") == other.state("p") == a_journal(database).state("p")
    assert (one.state("p").staging, len(one.history("p"))) == (2, 3)


def test_reading_the_journal_again_reads_only_new_rows(database: Database) -> None:
    journal = a_journal(database)
    journal.append("p", [Move(1, "None", "Staging")], expected=0, actor="ann")
    assert journal.state("p") is journal.state("p")
    with database.begin() as connection:  # a change of a read row, which nobody makes, is not seen
        connection.exec_driver_sql("UPDATE stage_changes SET to_stage = 'Archived'")
    assert journal.state("p").staging == 1


def test_a_fence_that_raises_lets_nothing_be_written(database: Database) -> None:
    def fence(_: Connection) -> None:
        raise LeaseLost("train", 3)

    journal = a_journal(database)
    with pytest.raises(LeaseLost, match="token 3"):
        journal.append("p", [TO_STAGING], expected=0, actor="ann", fence=fence)
    assert journal.history("p") == ()


def test_a_writer_that_another_overtook_after_its_look_is_told_by_whom(database: Database) -> None:
    """As on PostgreSQL, where two transactions may both have seen the same last entry."""
    journal = a_journal(database)

    def overtaken(connection: Connection) -> None:
        journal.write(connection, "p", [TO_STAGING], expected=0, actor="ann")
        raise IntegrityError("", {}, Exception())

    with pytest.raises(StageConflict, match="somebody else wrote first"):
        journal.append("p", [TO_STAGING], expected=0, actor="bob", fence=overtaken)
    assert journal.history("p") == ()


def test_a_lost_change_is_written_back_as_it_was_and_a_watch_sees_it(database: Database) -> None:
    journal = a_journal(database)
    (change,) = journal.append("p", [TO_STAGING], expected=0, actor="ann")
    with database.begin() as connection:
        connection.execute(delete(stage_changes))
    reader = a_journal(database)
    watch = reader.watch()
    assert reader.history("p") == ()
    assert watch.may_have_changed()  # the first look
    with database.begin() as connection:
        journal.restore(connection, change)
    assert watch.may_have_changed()
    assert a_journal(database).history("p") == (change,)
