"""Versioned documents: nothing is lost, whoever writes at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from vmpath_service.model.errors import Conflict, Fenced, NotFound
from vmpath_service.store import Database
from vmpath_service.store.documents import Documents


class Note(msgspec.Struct, frozen=True):
    text: str
    count: int = 0
    version: int = 1


@pytest.fixture
def notes(database: Database) -> Documents[Note]:
    return Documents(database, Note, "note", lambda note: "long" if len(note.text) > 3 else "short")


def grown(note: Note, version: int) -> Note:
    return msgspec.structs.replace(note, count=note.count + 1, version=version)


def test_what_is_kept_is_found(notes: Documents[Note], database: Database) -> None:
    made = [notes.create(f"n{number}", Note("x" * number)) for number in range(6)]
    assert notes.get("n3") == made[3]
    assert notes.list() == made[::-1]
    assert notes.list(limit=2, marker="n4") == [made[3], made[2]]
    assert notes.list(states=["long"]) == [made[5], made[4]]
    others = Documents(database, Note, "other", lambda note: "any")
    assert others.list() == []
    others.create("n1", Note("other"))
    assert notes.get("n1") == made[1]


def test_of_two_that_contradict_each_other_one_is_kept(database: Database) -> None:
    at_once = 6
    together = threading.Barrier(at_once)

    def keep(number: int) -> bool:
        # a connection of its own, as another engine on the same database has one
        other = Database(database.url.render_as_string(hide_password=False))
        notes = Documents(other, Note, "note", lambda note: "short")

        def alone(others: Sequence[Note]) -> None:
            if any(each.text == "mine" for each in others):
                raise Conflict("there is one")

        together.wait(30)
        try:
            notes.create(f"n{number}", Note("mine"), beside=("short",), check=alone)
        except Conflict:
            return False
        finally:
            other.close()
        return True

    with ThreadPoolExecutor(at_once) as threads:
        assert sum(threads.map(keep, range(at_once))) == 1


def test_names_are_given_once(notes: Documents[Note]) -> None:
    notes.create("a", Note("x"))
    with pytest.raises(Conflict, match="there is a note 'a' already"):
        notes.create("a", Note("y"))
    assert notes.get("a").text == "x"


def test_a_change_changes_state_and_version(notes: Documents[Note]) -> None:
    notes.create("a", Note("x"))
    made = notes.change("a", lambda note, version: Note("xxxx", note.count, version))
    assert (made.version, notes.get("a"), notes.list(states=["long"])) == (2, made, [made])


def test_what_raises_changes_nothing(notes: Documents[Note]) -> None:
    notes.create("a", Note("x"))

    def refuse(note: Note, version: int) -> Note:
        raise Conflict("no")

    with pytest.raises(Conflict):
        notes.change("a", refuse)
    assert notes.get("a") == Note("x")


def test_an_epoch_that_is_over_writes_nothing(notes: Documents[Note]) -> None:
    notes.create("a", Note("x"))
    first = notes.claim("a")
    notes.change("a", grown, epoch=first)
    second = notes.claim("a")
    with pytest.raises(Fenced):
        notes.change("a", grown, epoch=first)
    notes.change("a", grown, epoch=second)
    notes.change("a", grown)
    assert notes.get("a").count == 3


def test_no_change_of_many_is_lost(notes: Documents[Note]) -> None:
    notes.create("a", Note("x"))
    threads = [
        threading.Thread(target=lambda: [notes.change("a", grown) for _ in range(25)] and None) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert notes.get("a").count == 100


def test_what_is_not_there(notes: Documents[Note]) -> None:
    for ask in (
        lambda: notes.get("a"),
        lambda: notes.claim("a"),
        lambda: notes.change("a", grown),
        lambda: notes.delete("a", lambda note: None),
        lambda: notes.list(marker="a"),
    ):
        with pytest.raises(NotFound, match="there is no note 'a'"):
            ask()


def test_what_is_deleted_is_gone_unless_the_check_refuses(notes: Documents[Note]) -> None:
    notes.create("a", Note("x"))

    def refuse(note: Note) -> None:
        raise Conflict("not yet")

    with pytest.raises(Conflict):
        notes.delete("a", refuse)
    notes.delete("a", lambda note: None)
    assert notes.list() == []
