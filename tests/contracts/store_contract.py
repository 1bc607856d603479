"""What every store must do, whatever it keeps things in.

A test module derives from ``StoreContract`` and gives a fixture ``store``: an empty store whose clock may
stand still. Others may use it for a store of their own.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from vmpath_service.model import plan as plans
from vmpath_service.model.errors import Conflict, Fenced, NotFound, Outdated
from vmpath_service.model.records import (
    ENDED,
    UNRESOLVED,
    Demand,
    FailureKind,
    HostAction,
    Migration,
    MigrationState,
    RearrangementState,
    Request,
)

replace = msgspec.structs.replace
S = RearrangementState
M = MigrationState

NOWHERE = "00000000-0000-0000-0000-000000000000"


def request(policy: str = "consolidate", **values: Any) -> Request:
    return Request(policy=policy, **values)


def plan_of(steps: int) -> plans.Plan:
    """A plan that moves ``steps`` instances from one host to another, one after the other."""
    moves = tuple(
        plans.Migration(
            id=step, instance=f"vm-{step}", source="a", dest="b", memory_mb=512, after=(step - 1,) if step > 1 else ()
        )
        for step in range(1, steps + 1)
    )
    return plans.Plan(
        outcome="found",
        target={move.instance: move.dest for move in moves},
        snapshot="sha256:0",
        explanation="naïve “quotes” 🖥",
        migrations=moves,
        summary=plans.Summary(migrations=steps),
        extra={"kept": {"as": ["it", "is", 1.5, None]}},
    )


def pending(identity: str, steps: int) -> list[Migration]:
    return [
        Migration(
            *(identity, move.id, move.instance, move.source, move.dest),
            instance_name=f"called {move.instance}",
        )
        for move in plan_of(steps).migrations
    ]


def planned(store: Any, steps: int = 3) -> tuple[str, int, list[Migration]]:
    """A rearrangement with a plan: its id, the epoch of its owner, its migrations."""
    identity = store.create(request()).id
    epoch = store.claim(identity, "engine-1")
    migrations = pending(identity, steps)
    store.save_plan(identity, epoch, plan_of(steps), migrations)
    return identity, epoch, migrations


def intention(migration: Migration, attempt: int = 1) -> Migration:
    return replace(migration, state=M.REQUESTED, attempt=attempt, baseline=41, was="ACTIVE", intended_at=1234.5678901)


def at_once(work: Any, count: int) -> list[Any]:
    """Run ``work(number)`` in ``count`` threads that start together; what each returned or raised."""
    answers: list[Any] = [None] * count
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait(30)
        try:
            answers[number] = work(number)
        except Exception as error:  # noqa: BLE001 (judged by the caller)
            answers[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return answers


class StoreContract:
    def test_a_new_rearrangement_is_planning_and_nobodys(self, store: Any) -> None:
        asked = request(
            "drain",
            options={"names": ("a", "b"), "spare": 2, "share": {"VCPU": 0.25}, "none": None, "yes": True},
            zones=("az1",),
            aggregates=("ssd",),
            hosts=("compute-1", "compute-2"),
            dry_run=True,
            approve=True,
        )
        made = store.create(asked)
        assert made.request == asked
        assert (made.state, made.owner, made.epoch, made.version) == (S.PLANNING, None, 0, 1)
        assert made.created_at == made.updated_at
        assert not made.cancel_requested
        assert (made.decision, made.summary, made.explanation, made.disabled) == (None, None, None, ())
        assert store.get(made.id) == made
        assert store.create(asked).id != made.id

    def test_who_has_seen_an_older_version_changes_nothing(self, store: Any) -> None:
        made = store.create(request("drain"))
        seen, epoch = made.version, made.epoch
        now = store.request_cancel(made.id, known=seen)
        for ask in (
            lambda: store.claim(made.id, "engine", known=seen),
            lambda: store.change(made.id, epoch, known=seen, state=S.CANCELLED),
            lambda: store.request_cancel(made.id, abort=True, known=seen),
            lambda: store.request_rollback(made.id, expected=tuple(S), known=seen),
            lambda: store.delete(made.id, known=seen),
        ):
            with pytest.raises(Outdated):
                ask()
            assert store.get(made.id) == now
        ended = store.change(made.id, epoch, known=now.version, state=S.CANCELLED)
        with pytest.raises(Outdated):
            store.delete(made.id, known=now.version)
        store.delete(made.id, known=ended.version)

    def test_what_does_not_exist_is_not_found(self, store: Any) -> None:
        for ask in (
            lambda: store.get(NOWHERE),
            lambda: store.claim(NOWHERE, "engine"),
            lambda: store.change(NOWHERE, 0, state=S.PLANNED),
            lambda: store.request_cancel(NOWHERE),
            lambda: store.delete(NOWHERE),
            lambda: store.plan(NOWHERE),
            lambda: store.migrations(NOWHERE),
            lambda: store.save_plan(NOWHERE, 0, plan_of(1), pending(NOWHERE, 1)),
            lambda: store.intend(0, intention(pending(NOWHERE, 1)[0])),
            lambda: store.record(0, pending(NOWHERE, 1)[0]),
            lambda: store.list(marker=NOWHERE),
        ):
            with pytest.raises(NotFound):
                ask()

    def test_lists_are_newest_first_and_go_on_after_a_marker(self, store: Any) -> None:
        made = [store.create(request()).id for _ in range(5)]
        newest_first = made[::-1]
        assert [each.id for each in store.list()] == newest_first
        assert [each.id for each in store.list(limit=2)] == newest_first[:2]
        assert [each.id for each in store.list(limit=2, marker=newest_first[1])] == newest_first[2:4]
        assert list(store.list(marker=newest_first[-1])) == []
        epoch = store.claim(made[2], "engine")
        changed = store.change(made[2], epoch, state=S.RUNNING)
        assert list(store.list(states=[S.RUNNING, S.PAUSED])) == [changed]
        assert made[2] not in [each.id for each in store.list(states=[S.PLANNING])]
        # a marker need not be of a state that is asked for
        assert [each.id for each in store.list(states=[S.PLANNING], marker=made[2])] == [made[1], made[0]]

    def test_every_claim_gives_a_higher_epoch(self, store: Any) -> None:
        identity = store.create(request()).id
        first = store.claim(identity, "engine-1")
        second = store.claim(identity, "engine-2")
        third = store.claim(identity, "engine-2")
        assert 0 < first < second < third
        now = store.get(identity)
        assert (now.owner, now.epoch) == ("engine-2", third)

    def test_changes_are_kept_and_grow_the_version(self, store: Any) -> None:
        identity = store.create(request()).id
        epoch = store.claim(identity, "engine")
        before = store.get(identity)
        values: dict[str, Any] = {
            "state": S.PLANNED,
            "explanation": "why",
            "decision": {"after": {"value": 1.5}, "leftovers": [{"instance": "a"}]},
            "summary": {"migrations": 2},
            "disabled": ("compute-1",),
        }
        after = store.change(identity, epoch, expected=[S.PLANNING], **values)
        assert after == replace(before, version=after.version, updated_at=after.updated_at, **values)
        assert after.version > before.version
        assert after.updated_at >= before.updated_at
        assert store.get(identity) == after
        again = store.change(identity, epoch, disabled=(), explanation=None, decision=None, summary=None)
        assert (again.disabled, again.explanation, again.decision, again.summary) == ((), None, None, None)
        assert again.state == S.PLANNED

    def test_a_change_from_an_unexpected_state_is_refused(self, store: Any) -> None:
        identity = store.create(request()).id
        epoch = store.claim(identity, "engine")
        with pytest.raises(Conflict):
            store.change(identity, epoch, expected=[S.RUNNING, S.PAUSED], state=S.CANCELLED)
        assert store.get(identity).state == S.PLANNING

    def test_an_old_epoch_can_write_nothing(self, store: Any) -> None:
        identity, old, migrations = planned(store)
        first = intention(migrations[0])
        store.intend(old, first)
        store.claim(identity, "engine-2")
        before = store.get(identity), store.migrations(identity), store.plan(identity)
        for write in (
            lambda: store.change(identity, old, state=S.FAILED),
            lambda: store.save_plan(identity, old, plan_of(1), pending(identity, 1)),
            lambda: store.intend(old, intention(migrations[1])),
            lambda: store.intend(old, first),
            lambda: store.record(old, replace(first, state=M.DONE)),
        ):
            with pytest.raises(Fenced):
                write()
        assert (store.get(identity), store.migrations(identity), store.plan(identity)) == before

    def test_fencing_is_told_before_an_unexpected_state(self, store: Any) -> None:
        identity = store.create(request()).id
        old = store.claim(identity, "engine-1")
        new = store.claim(identity, "engine-2")
        store.change(identity, new, state=S.RUNNING)
        with pytest.raises(Fenced):
            store.change(identity, old, expected=[S.PLANNING], state=S.PLANNED)

    def test_an_epoch_of_the_future_is_refused_too(self, store: Any) -> None:
        _, epoch, migrations = planned(store)
        with pytest.raises(Fenced):
            store.record(epoch + 1, migrations[0])

    def test_anybody_may_ask_to_cancel_what_has_not_ended(self, store: Any) -> None:
        identity = store.create(request()).id
        asked = store.request_cancel(identity)
        assert asked.cancel_requested
        assert asked.version > 1
        assert store.get(identity) == asked
        assert store.request_cancel(identity).cancel_requested

    def test_a_cancel_may_ask_to_abort_and_a_rollback_takes_it_back(self, store: Any) -> None:
        identity = store.create(request()).id
        assert not store.request_cancel(identity).abort_requested
        assert store.request_cancel(identity, abort=True).abort_requested
        assert store.request_cancel(identity).abort_requested
        with pytest.raises(Conflict):
            store.request_rollback(identity, expected=[S.RUNNING])
        asked = store.request_rollback(identity, expected=[S.RUNNING, S.PLANNING])
        assert (asked.rolling_back, asked.cancel_requested, asked.abort_requested) == (True, False, False)
        assert store.get(identity) == asked
        assert store.request_rollback(identity, expected=[S.PLANNING], abort=True).abort_requested

    def test_a_plan_is_extended_in_one_piece(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        store.intend(epoch, intention(migrations[0]))
        longer = msgspec.structs.replace(
            plan_of(4), host_steps=(plans.HostStep(5, "c", "disable"), plans.HostStep(6, "d", "enable"))
        )
        fourth = pending(identity, 4)[3]
        replaced = replace(migrations[1], state=M.REPLACED, reason="a new plan")
        for added, changed in (
            ([fourth], [replace(migrations[0], state=M.REPLACED)]),
            ([fourth, migrations[2]], [replaced]),
        ):
            with pytest.raises(Conflict):
                store.extend_plan(identity, epoch, longer, added, changed)
            assert store.plan(identity) == plan_of(3)
            assert [each.state for each in store.migrations(identity)] == [M.REQUESTED, M.PENDING, M.PENDING]
        store.extend_plan(identity, epoch, longer, [fourth], [replaced])
        assert store.plan(identity) == longer
        assert [each.state for each in store.migrations(identity)] == [M.REQUESTED, M.REPLACED, M.PENDING, M.PENDING]
        assert [each.host for each in store.host_actions(identity)] == ["c", "d"]
        with pytest.raises(Fenced):
            store.extend_plan(identity, epoch + 1, longer, [], [])

    def test_host_steps_are_kept_beside_the_plan(self, store: Any) -> None:
        identity = store.create(request()).id
        epoch = store.claim(identity, "engine")
        steps = (plans.HostStep(1, "a", "enable"), plans.HostStep(2, "b", "disable"))
        store.save_plan(identity, epoch, msgspec.structs.replace(plan_of(0), host_steps=steps), [])
        first, second = HostAction(identity, 1, "a", "enable"), HostAction(identity, 2, "b", "disable")
        assert list(store.host_actions(identity)) == [first, second]
        done = replace(second, state="done", before="ours", reason="since then", ended_at=12.5)
        store.record_host_action(epoch, done)
        assert list(store.host_actions(identity)) == [first, done]
        with pytest.raises(Fenced):
            store.record_host_action(epoch + 1, first)
        with pytest.raises(NotFound):
            store.record_host_action(epoch, replace(first, step=9))

    def test_failures_of_hosts_are_counted_until_they_are_absolved(self, store: Any) -> None:
        assert store.troubles() == {}
        assert not store.absolve("a")
        first = store.blame("a", "it burns")
        second = store.blame("a", "it still burns")
        assert (first.failures, second.failures, second.reason) == (1, 2, "it still burns")
        assert second.since == first.since
        store.blame("b", "it burns, too")
        assert store.troubles()["a"] == second
        assert list(store.troubles()) == ["a", "b"]
        assert store.absolve("a")
        assert list(store.troubles()) == ["b"]

    def test_of_the_moves_of_others_the_last_is_told(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        other, _, _ = planned(store)
        for number, state, at in ((0, M.DONE, 50.0), (1, M.FAILED, 60.0), (2, M.DONE, 10.0)):
            store.intend(epoch, intention(migrations[number]))
            store.record(epoch, replace(intention(migrations[number]), state=state, ended_at=at))
        assert store.moved_since(20.0, but=other) == {"vm-1": 50.0}
        assert store.moved_since(0.0, but=other) == {"vm-1": 50.0, "vm-3": 10.0}
        assert store.moved_since(0.0, but=identity) == {}

    def test_what_is_known_of_a_failure_comes_back(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        store.intend(epoch, intention(migrations[0]))
        kept = replace(
            intention(migrations[0]),
            method="cold",
            failure=FailureKind.MIDWAY,
            failures=2,
            tried=("c", "d"),
            demand=Demand.FORCE_COMPLETE,
            demanded_at=12.5,
        )
        store.record(epoch, kept)
        assert store.migrations(identity)[0] == kept
        assert list(store.unresolved()) == [kept]
        assert list(store.unresolved(but=identity)) == []
        assert list(store.unresolved(but=NOWHERE)) == [kept]

    @pytest.mark.parametrize("state", sorted(ENDED))
    def test_what_has_ended_is_not_cancelled_but_can_be_deleted(self, store: Any, state: RearrangementState) -> None:
        identity, epoch, migrations = planned(store)
        other, _, _ = planned(store)
        store.intend(epoch, intention(migrations[0]))
        store.record(epoch, replace(intention(migrations[0]), state=M.FAILED, reason="refused", ended_at=2000.5))
        store.add_event("ended", "it is over", subject=identity)
        store.change(identity, epoch, state=state)
        with pytest.raises(Conflict):
            store.request_cancel(identity)
        store.delete(identity)
        for ask in (store.get, store.plan, store.migrations, store.delete):
            with pytest.raises(NotFound):
                ask(identity)
        assert list(store.events(identity)) == []
        assert [each.id for each in store.list()] == [other]
        assert len(store.migrations(other)) == 3

    @pytest.mark.parametrize("state", sorted(set(S) - ENDED))
    def test_what_goes_on_is_not_deleted(self, store: Any, state: RearrangementState) -> None:
        identity = store.create(request()).id
        store.change(identity, store.claim(identity, "engine"), state=state)
        with pytest.raises(Conflict):
            store.delete(identity)
        assert store.get(identity).state == state

    def test_what_may_still_move_an_instance_is_not_forgotten(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        store.intend(epoch, intention(migrations[0]))
        store.change(identity, epoch, state=S.FAILED)
        with pytest.raises(Conflict):
            store.delete(identity)
        assert [each.step for each in store.unresolved()] == [1]

    def test_a_plan_comes_back_as_it_was(self, store: Any) -> None:
        identity = store.create(request()).id
        with pytest.raises(NotFound):
            store.plan(identity)
        assert list(store.migrations(identity)) == []
        epoch = store.claim(identity, "engine")
        migrations = pending(identity, 12)
        store.save_plan(identity, epoch, plan_of(12), migrations[::-1])
        assert store.plan(identity) == plan_of(12)
        assert list(store.migrations(identity)) == migrations

    def test_a_plan_that_was_not_begun_can_be_replaced(self, store: Any) -> None:
        identity, epoch, migrations = planned(store, 5)
        store.record(epoch, replace(migrations[4], state=M.SKIPPED, reason="gone"))
        store.save_plan(identity, epoch, plan_of(2), pending(identity, 2))
        assert store.plan(identity) == plan_of(2)
        assert list(store.migrations(identity)) == pending(identity, 2)

    def test_a_plan_that_was_begun_is_not_replaced(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        store.intend(epoch, intention(migrations[0]))
        with pytest.raises(Conflict):
            store.save_plan(identity, epoch, plan_of(1), pending(identity, 1))
        assert len(store.migrations(identity)) == 3
        assert store.plan(identity) == plan_of(3)

    def test_a_plan_with_nothing_to_do_is_a_plan(self, store: Any) -> None:
        identity, _, _ = planned(store, 0)
        assert store.plan(identity) == plan_of(0)
        assert list(store.migrations(identity)) == []

    def test_an_intention_is_kept_and_is_unique(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        first = intention(migrations[0])
        store.intend(epoch, first)
        assert list(store.migrations(identity)) == [first, *migrations[1:]]
        with pytest.raises(Conflict):
            store.intend(epoch, first)
        with pytest.raises(Conflict):
            store.intend(epoch, replace(first, dest="c", baseline=50))
        assert store.migrations(identity)[0] == first
        second = replace(intention(migrations[0], attempt=2), dest="c", baseline=77)
        store.record(epoch, replace(first, state=M.PENDING))
        store.intend(epoch, second)
        with pytest.raises(Conflict):
            store.intend(epoch, first)
        assert store.migrations(identity)[0] == second

    def test_a_new_owner_cannot_repeat_an_attempt(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        store.intend(epoch, intention(migrations[0]))
        newer = store.claim(identity, "engine-2")
        with pytest.raises(Conflict):
            store.intend(newer, intention(migrations[0]))
        store.intend(newer, intention(migrations[0], attempt=2))

    def test_records_are_kept_in_full(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        requested = intention(migrations[1])
        store.intend(epoch, requested)
        running = replace(requested, state=M.RUNNING, nova_migration=2**40, progress=33.25)
        store.record(epoch, running)
        assert store.migrations(identity)[1] == running
        done = replace(running, state=M.DONE, progress=100.0, ended_at=1795000000.123456, reason="é🖥\n" * 100)
        store.record(epoch, done)
        store.record(epoch, done)
        assert list(store.migrations(identity)) == [migrations[0], done, migrations[2]]

    def test_only_the_attempt_that_was_intended_is_recorded(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        with pytest.raises(Conflict):
            store.record(epoch, replace(intention(migrations[0]), state=M.RUNNING))
        store.intend(epoch, intention(migrations[0], attempt=1))
        store.intend(epoch, intention(migrations[0], attempt=2))
        with pytest.raises(Conflict):
            store.record(epoch, replace(intention(migrations[0], attempt=1), state=M.FAILED))
        assert store.migrations(identity)[0] == intention(migrations[0], attempt=2)

    def test_a_step_that_the_plan_has_not_is_not_found(self, store: Any) -> None:
        identity, epoch, migrations = planned(store)
        stranger = replace(migrations[0], step=99)
        with pytest.raises(NotFound):
            store.record(epoch, stranger)
        with pytest.raises(NotFound):
            store.intend(epoch, intention(stranger))
        assert list(store.migrations(identity)) == migrations

    def test_unresolved_are_those_that_may_still_move_their_instance(self, store: Any) -> None:
        assert list(store.unresolved()) == []
        one, epoch, migrations = planned(store, len(M))
        expected = []
        for migration, state in zip(migrations, M, strict=True):
            if state not in (M.PENDING, M.SKIPPED):
                store.intend(epoch, intention(migration))
                migration = intention(migration)
            store.record(epoch, replace(migration, state=state))
            if state in UNRESOLVED:
                expected.append(replace(migration, state=state))
        assert list(store.unresolved()) == expected
        other, other_epoch, others = planned(store)
        store.intend(other_epoch, intention(others[2]))
        found = store.unresolved()
        assert len(found) == len(expected) + 1
        assert [each for each in found if each.rearrangement == one] == expected
        assert [each for each in found if each.rearrangement == other] == [intention(others[2])]

    def test_events_are_numbered_without_gaps(self, store: Any) -> None:
        assert list(store.events()) == []
        mine, other = store.create(request()).id, store.create(request()).id
        made = [
            store.add_event("created", "made", subject=mine),
            store.add_event("created", "made", subject=other),
            store.add_event("frozen", "stop 🛑"),
            store.add_event("migration failed", "why", subject=mine, step=7, host="compute-001"),
        ]
        assert [event.sequence for event in made] == list(range(made[0].sequence, made[0].sequence + 4))
        assert made[0].sequence > 0
        assert (made[3].kind, made[3].message, made[3].subject, made[3].step, made[3].host) == (
            "migration failed",
            "why",
            mine,
            7,
            "compute-001",
        )
        assert made[2].subject is None
        assert made[2].step is None
        assert made[2].host is None
        assert list(store.events()) == made
        assert list(store.events(mine)) == [made[0], made[3]]
        assert list(store.events(after=made[1].sequence)) == made[2:]
        assert list(store.events(mine, after=made[0].sequence)) == [made[3]]
        assert list(store.events(limit=2)) == made[:2]
        assert list(store.events(after=made[3].sequence)) == []

    def test_what_is_done_together_is_seen_by_whoever_does_it_and_then_by_all(self, store: Any) -> None:
        called: list[int] = []
        with store.together():
            first = store.add_event("a", "one")
            second = store.add_event("b", "two")
            store.afterwards(lambda: called.append(store.events()[-1].sequence))
            with store.together():
                store.freeze("why", "me")
            assert store.frozen() is not None
            assert [event.sequence for event in store.events()] == [first.sequence, second.sequence]
        assert called == [second.sequence]
        assert [event.kind for event in store.events()] == ["a", "b"]
        assert store.frozen().reason == "why"

    def test_signs_of_life_are_counted_for_each_engine(self, store: Any) -> None:
        assert store.beat("one") == {"one": 1}
        assert store.beat("two") == {"one": 1, "two": 1}
        assert store.beat("one") == {"one": 2, "two": 1}
        store.resign("two")
        store.resign("nobody")
        assert store.beat("one") == {"one": 3}
        assert store.beat("two") == {"one": 3, "two": 1}

    def test_the_first_freeze_stands_until_the_thaw(self, store: Any) -> None:
        assert store.frozen() is None
        store.thaw()
        first = store.freeze("storage is on fire", "ann")
        assert (first.reason, first.by) == ("storage is on fire", "ann")
        assert store.freeze("me too", "bob") == first
        assert store.frozen() == first
        store.thaw()
        assert store.frozen() is None
        assert store.freeze("again", "bob").by == "bob"

    def test_claims_at_once_give_each_an_epoch_of_its_own(self, store: Any) -> None:
        identity = store.create(request()).id
        epochs = at_once(lambda number: store.claim(identity, f"engine-{number}"), 8)
        assert sorted(epochs) == list(range(1, 9))
        winner = epochs.index(max(epochs))
        assert store.get(identity).owner == f"engine-{winner}"

    def test_changes_at_once_are_all_counted(self, store: Any) -> None:
        identity = store.create(request()).id
        epoch = store.claim(identity, "engine")
        before = store.get(identity).version

        def change(number: int) -> set[int]:
            return {store.change(identity, epoch, explanation=f"{number}").version for _ in range(5)}

        versions = at_once(change, 6)
        assert set().union(*versions) == set(range(before + 1, before + 31))
        assert store.get(identity).version == before + 30

    def test_of_the_same_intention_at_once_one_is_accepted(self, store: Any) -> None:
        _, epoch, migrations = planned(store)
        answers = at_once(lambda number: store.intend(epoch, intention(migrations[0])), 6)
        assert answers.count(None) == 1
        assert [type(answer) for answer in answers if answer is not None] == [Conflict] * 5

    def test_of_two_state_changes_at_once_one_is_accepted(self, store: Any) -> None:
        identity = store.create(request()).id
        epoch = store.claim(identity, "engine")
        answers = at_once(
            lambda number: store.change(identity, epoch, expected=[S.PLANNING], state=S.PLANNED, explanation="x"), 4
        )
        assert sum(isinstance(answer, Conflict) for answer in answers) == 3

    def test_freezes_at_once_agree(self, store: Any) -> None:
        answers = at_once(lambda number: store.freeze("stop", f"person-{number}"), 5)
        assert len(set(answers)) == 1
        assert store.frozen() == answers[0]
