"""Two engines on one database: what a silent one holds is taken over, what a living one holds is left alone."""

from __future__ import annotations

from tests.modelled.clock import StepClock
from tests.modelled.store import MemoryStore
from vmpath_service.engine.keeping import Keeper, Witness
from vmpath_service.model.records import Rearrangement, RearrangementState, Request

LEASE = 30.0


def test_an_engine_lives_as_long_as_its_signs_go_on() -> None:
    witness = Witness(LEASE)
    witness.hear({"one": 7, "two": 1}, 1000.0)
    assert witness.lives("one", 1029.0)
    witness.hear({"one": 8, "two": 1}, 1029.0)
    assert witness.lives("one", 1058.0)
    assert not witness.lives("two", 1030.0)
    # it has resigned
    witness.hear({"two": 1}, 1030.0)
    assert not witness.lives("one", 1030.0)
    assert not witness.lives("two", 1030.0)
    # a counter that begins anew is a sign, too
    witness.hear({"two": 0}, 1031.0)
    assert witness.lives("two", 1060.0)


class Site:
    """A store, and keepers on it that look when they are told to."""

    def __init__(self) -> None:
        self.clock = StepClock()
        self.store = MemoryStore(self.clock)
        self.taken: list[tuple[str, str]] = []

    def keeper(self, owner: str) -> Keeper:
        def take(record: Rearrangement) -> bool:
            self.store.claim(record.id, owner)
            self.taken.append((owner, record.id))
            return True

        return Keeper(
            self.store,
            self.clock,
            owner,
            LEASE,
            (RearrangementState.PLANNING,),
            attends=lambda identity: (owner, identity) in self.taken,
            take=take,
            stopping=lambda: False,
        )

    def held_by(self, owner: str) -> str:
        identity = self.store.create(Request("drain")).id
        self.store.claim(identity, owner)
        return identity


def test_what_a_living_engine_holds_is_left_alone_and_what_a_silent_one_holds_is_not() -> None:
    site = Site()
    one, two = site.keeper("one"), site.keeper("two")
    assert one._look(first=True) == 0
    held = site.held_by("one")
    assert two._look(first=True) == 0
    for _ in range(20):
        site.clock.now += LEASE / 4
        site.store.beat("one")
        assert two._look() == 0
    for _ in range(3):
        site.clock.now += LEASE / 4
        assert two._look() == 0
    site.clock.now += LEASE / 4
    assert two._look() == 1
    assert site.taken == [("two", held)]
    assert two._look() == 0


def test_what_an_engine_held_that_has_resigned_is_taken_over_at_once() -> None:
    site = Site()
    one, two = site.keeper("one"), site.keeper("two")
    one._look(first=True)
    held = site.held_by("one")
    assert two._look() == 0
    site.store.resign("one")
    assert two._look() == 1
    assert site.taken == [("two", held)]


def test_its_own_are_taken_up_at_once_after_a_crash() -> None:
    site = Site()
    site.keeper("one")._look(first=True)
    older, newer = site.held_by("one"), site.held_by("one")
    again = site.keeper("one")
    assert again._look(first=True) == 2
    assert site.taken == [("one", older), ("one", newer)]


def test_what_has_no_owner_yet_may_be_about_to_get_one() -> None:
    site = Site()
    two = site.keeper("two")
    two._look(first=True)
    begun = site.store.create(Request("drain")).id
    assert two._look() == 0
    site.clock.now += LEASE
    assert two._look() == 1
    # after a start nobody else is
    site = Site()
    begun = site.store.create(Request("drain")).id
    assert site.keeper("two")._look(first=True) == 1
    assert site.taken == [("two", begun)]
