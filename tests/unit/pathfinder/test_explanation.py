"""What an answer says of its own ground."""

import msgspec

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.extras import HELD_BY_CAUTION, SCHEDULER_DECIDES
from vmpath_service.pathfinder import PathSettings, find_path


def explained(snapshot, wanted, **options):
    plan = find_path(compile_cloud(snapshot), wanted, PathSettings(**options), snapshot_identity="sha256:0")
    return plan.outcome, plan.explanation or ""


def marked(snapshot, name, **changes):
    instances = tuple(
        msgspec.structs.replace(each, **changes) if each.label() == name else each for each in snapshot.instances
    )
    return msgspec.structs.replace(snapshot, instances=instances)


# x and y would have to change places, and nobody can step aside
TIGHT = cloud({"a": 10, "b": 10}, {"x": ("a", 8), "y": ("b", 8)})
SWAP = target(x="b", y="a")


def test_a_proof_says_that_it_does_not_rest_on_what_the_scheduler_judges():
    snapshot = marked(TIGHT, "x", extra={SCHEDULER_DECIDES: ["2 NUMA nodes", "pinned CPUs"]})
    outcome, text = explained(snapshot, SWAP)
    assert outcome == "infeasible"
    assert "It does not rest on what only Nova's scheduler can judge of 1 of the instances to be moved" in text
    assert "(the first is x: 2 NUMA nodes and pinned CPUs)" in text
    assert "scheduler" not in explained(TIGHT, SWAP)[1]


def test_a_proof_that_rests_on_caution_says_so():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 8), "z": ("c", 8)})
    assert explained(snapshot, SWAP)[0] == "infeasible"
    free = cloud({"a": 10, "b": 10, "c": 10, "d": 8}, {"x": ("a", 8), "y": ("b", 8), "z": ("c", 8)})
    assert explained(free, SWAP)[0] == "found"
    why = "it uses the PCI device nic:1 of its host"
    held = marked(snapshot, "z", movable="no", why_not=why, extra={HELD_BY_CAUTION: True})
    outcome, text = explained(held, SWAP)
    assert outcome == "infeasible"
    assert f"takes for granted that z is not moved, which is by caution and not known to be impossible: {why}" in text
    # one that is known not to move is no caution
    assert "caution" not in explained(marked(snapshot, "z", movable="no", why_not="it is locked"), SWAP)[1]


def test_a_mover_that_is_held_by_caution_is_named():
    roomy = cloud({"a": 10, "b": 20}, {"x": ("a", 8), "y": ("b", 8)})
    held = marked(roomy, "x", movable="no", why_not="nobody knows", extra={HELD_BY_CAUTION: True})
    outcome, text = explained(held, target(x="b"))
    assert outcome == "infeasible"
    assert "takes for granted that x is not moved" in text


def test_a_path_and_a_search_that_gave_up_claim_nothing():
    roomy = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 8)})
    outcome, text = explained(marked(roomy, "x", extra={SCHEDULER_DECIDES: ["pinned CPUs"]}), SWAP)
    assert (outcome, text) == ("found", "")


def test_part_of_the_way_is_told_with_the_same_proof():
    why = "it uses the PCI device nic:1 of its host"
    roomy = cloud({"a": 10, "b": 20}, {"x": ("a", 2), "y": ("a", 2)})
    held = marked(roomy, "x", movable="no", why_not=why, extra={HELD_BY_CAUTION: True})
    outcome, text = explained(held, target(x="b", y="b"), best_effort=True)
    assert outcome == "partial"
    assert "takes for granted that x is not moved" in text
