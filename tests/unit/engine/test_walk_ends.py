"""How the end of a migration is judged, and what is left out after a failure."""

import pytest

from tests.modelled.cloud import Answer, End, Fate
from tests.modelled.walking import World, one_move, plan_of
from vmpath_service.model.errors import AnswerLost


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("failed before", "ended as error; the instance is ACTIVE on a"),
        ("failed midway", "ended as failed; the instance is ACTIVE on a"),
        ("no valid host", "ended as error; the instance is ACTIVE on a"),
        ("cancelled, then error", "ended as error; the instance is ERROR on a"),
        ("error after the switch", "ended as error; the instance is ERROR on b"),
        ("error after completion", "ended as error; the instance is ERROR on b"),
        ("compute dies", "still says running, but for 120 s the instance has not been migrating"),
        ("deleted midway", "the instance does not exist any more"),
    ],
)
def test_a_failure_is_told_as_it_is(end: End, words: str) -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate(end)]}
    finish = world.run()
    assert finish.outcome == "failed"
    assert world.states() == ["failed"]
    assert words in world.reason(1)
    assert words in (finish.explanation or "")
    assert len(world.cloud.requests) == 1


def test_a_host_that_follows_the_record_late_is_waited_for() -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate("host follows late")]}
    assert world.run().outcome == "succeeded"


def test_an_instance_stopped_after_its_move_is_not_called_done() -> None:
    world = one_move()

    def stop() -> None:
        world.cloud.servers["x"].status = "SHUTOFF"

    world.cloud.later(12, stop)
    assert world.run().outcome == "failed"
    assert "is SHUTOFF on b (it was ACTIVE before)" in world.reason(1)


def test_an_instance_that_is_busy_after_its_move_is_not_called_done_yet() -> None:
    world = one_move()
    world.cloud.later(11.5, lambda: setattr(world.cloud.servers["x"], "task_state", "rebooting"))
    world.cloud.later(60, lambda: setattr(world.cloud.servers["x"], "task_state", None))
    assert world.run().outcome == "succeeded"
    assert world.clock.now >= 60 + world.settings.settle_seconds


@pytest.mark.parametrize("answer", ["lost", "lost and arrives late"])
def test_a_lost_answer_is_followed_and_not_asked_again(answer: Answer) -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate(answer=answer)]}
    assert world.run().outcome == "succeeded"
    assert world.cloud.requests == [("x", "b")]
    assert "migration.answer_lost" in world.kinds()


def test_a_request_that_never_arrived_is_waited_out() -> None:
    world = one_move(request_settle_seconds=90)
    world.cloud.fates = {"x": [Fate(answer="lost and never arrives")]}
    assert world.run().outcome == "failed"
    assert world.clock.now >= 90
    assert "the request never arrived" in world.reason(1)
    assert world.cloud.requests == [("x", "b")]


def test_a_refused_request_fails_at_once() -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate(answer="refused")]}
    assert world.run().outcome == "failed"
    assert "Nova refused the request: 409" in world.reason(1)
    assert world.clock.now < 10


def test_what_waited_for_a_failure_is_left_out_and_the_rest_goes_on() -> None:
    world = World(
        {"a": 10, "b": 10, "c": 10, "d": 10},
        {"x": ("a", 6), "y": ("b", 6), "z": ("d", 1)},
        plan_of(("y", "b", "c"), ("x", "a", "b", [1]), ("y", "c", "a", [1, 2]), ("z", "d", "a")),
    )
    world.cloud.fates = {"y": [Fate("failed midway")]}
    finish = world.run()
    assert world.states() == ["failed", "skipped", "skipped", "done"]
    assert world.reason(2) == "it waits for step 1, which failed"
    assert finish.outcome == "failed"
    assert (finish.explanation or "").startswith("3 of 4 migrations were not done: step 1, migration of y")


def test_an_older_migration_between_the_same_hosts_is_not_taken_for_ours() -> None:
    world = one_move()
    world.cloud._begin("x", "b", Fate("failed midway"))
    world.clock.wait(60)
    world.cloud.fates = {"x": [Fate(answer="lost and arrives late")]}
    assert world.run().outcome == "succeeded"


def test_someone_elses_migration_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"a": 10, "b": 10, "c": 10}, {"x": ("a", 4)}, plan_of(("x", "a", "b")))

    def stolen(instance: str, dest: str) -> None:
        world.cloud._begin("x", "c", Fate())
        world.cloud.requests.append((instance, dest))
        raise AnswerLost("time-out")

    monkeypatch.setattr(world.cloud, "live_migrate", stolen)
    assert world.run().outcome == "failed"
    assert "the request never arrived" in world.reason(1)
    assert "ACTIVE on c" in world.reason(1)


def test_a_request_that_breaks_in_an_unknown_way_may_have_been_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = one_move()
    ask = world.cloud.live_migrate

    def broken(instance: str, dest: str) -> None:
        ask(instance, dest)
        raise KeyError("token")

    monkeypatch.setattr(world.cloud, "live_migrate", broken)
    assert world.run().outcome == "succeeded"
    assert len(world.cloud.requests) == 1


def test_a_walk_that_hangs_is_told_of_once_and_followed_to_its_end() -> None:
    world = one_move(stuck_seconds=100)
    world.cloud.fates = {"x": [Fate(scheduling=1000)]}
    assert world.run().outcome == "succeeded"
    assert world.kinds().count("migration.stuck") == 1
