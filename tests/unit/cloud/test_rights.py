"""What answers of the cloud say of rights, clocks and tokens."""

import pytest

from vmpath_service.cloud import rights, surroundings
from vmpath_service.cloud.microversions import Microversions
from vmpath_service.cloud.rights import Answer, Verdict


@pytest.mark.parametrize(
    ("right", "status", "verdict"),
    [
        (rights.SERVICES, 200, Verdict.OK),
        (rights.SERVICES, 403, Verdict.MISSING),
        (rights.SERVICES, 401, Verdict.MISSING),
        (rights.SERVICES, 404, Verdict.UNKNOWN),
        (rights.SERVICES, 500, Verdict.UNKNOWN),
        (rights.SET_SERVICE, 404, Verdict.OK),
        (rights.SET_SERVICE, 400, Verdict.UNKNOWN),
        (rights.MIGRATE, 400, Verdict.OK),
        (rights.MIGRATE, 409, Verdict.OK),
        (rights.MIGRATE, 403, Verdict.MISSING),
        (rights.MIGRATE, 404, Verdict.MISSING),
        (rights.SHOW_SERVER, 404, Verdict.MISSING),
        (rights.TRAITS, 404, Verdict.OK),
        (rights.TRAITS, 503, Verdict.UNKNOWN),
    ],
)
def test_a_status_is_judged(right: rights.Right, status: int, verdict: Verdict) -> None:
    found = rights.judge(right, Answer(status, "because", {}))
    assert (found.name, found.verdict) == (right.name, verdict)
    assert bool(found.advice) == (verdict is not Verdict.OK)


def test_the_rule_that_the_cloud_names_is_the_one_to_give() -> None:
    said = "Policy doesn't allow os_compute_api:os-migrations:index:all_projects to be performed."
    advice = rights.judge(rights.MIGRATIONS, Answer(403, said, {})).advice
    assert "role to os_compute_api:os-migrations:index:all_projects in Nova's policy" in advice
    unnamed = rights.judge(rights.MIGRATIONS, Answer(403, "Forbidden", {})).advice
    assert "os_compute_api:os-migrations:index and os_compute_api:os-migrations:index:all_projects in" in unnamed


def test_what_answers_leave_out() -> None:
    assert rights.judge_hosts([]).verdict is Verdict.UNKNOWN
    assert rights.judge_hosts([{"id": "a"}]).verdict is Verdict.MISSING
    assert rights.judge_hosts([{"id": "a", "OS-EXT-SRV-ATTR:host": None}]).verdict is Verdict.OK
    assert rights.judge_extra_specs([{"flavor": {"vcpus": 1}}]).verdict is Verdict.MISSING
    assert rights.judge_extra_specs([{"flavor": {"extra_specs": {}}}]).verdict is Verdict.OK
    assert rights.judge_migration_hosts([{"source_compute": None}]).verdict is Verdict.MISSING
    assert rights.judge_migration_hosts([{"source_compute": "a"}]).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("groups", "servers", "verdict"),
    [
        ([], [], Verdict.UNKNOWN),
        ([{"id": "g", "project_id": "own"}], [], Verdict.UNKNOWN),
        ([{"id": "g", "project_id": "other"}], [], Verdict.OK),
        ([], [{"scheduler_hints": {"group": "g"}}], Verdict.MISSING),
        ([], [{"scheduler_hints": {"group": ["g"]}}], Verdict.MISSING),
        ([{"id": "g", "project_id": "own"}], [{"scheduler_hints": {"group": "g"}}, {}], Verdict.UNKNOWN),
    ],
)
def test_groups_of_other_projects(
    groups: list[dict[str, str]], servers: list[dict[str, object]], verdict: Verdict
) -> None:
    assert rights.judge_groups(groups, servers, "own").verdict is verdict


@pytest.mark.parametrize(
    ("ahead", "uncertain", "verdict", "part"),
    [
        (0.4, 1.0, Verdict.OK, "agrees"),
        (-9.0, 1.0, Verdict.OK, "9 s behind"),
        (300.0, 1.0, Verdict.MISSING, "300 s ahead of"),
        (-300.0, 1.0, Verdict.MISSING, "300 s behind"),
        (31.0, 29.0, Verdict.OK, "agrees"),
    ],
)
def test_a_clock(ahead: float, uncertain: float, verdict: Verdict, part: str) -> None:
    found = surroundings.judge_clock("Nova", ahead, uncertain)
    assert (found.verdict, part in found.details) == (verdict, True)


def test_a_token_and_an_old_cloud() -> None:
    assert surroundings.judge_token(None, 600).verdict is Verdict.UNKNOWN
    assert surroundings.judge_token(599, 600).verdict is Verdict.MISSING
    assert surroundings.judge_token(600, 600).verdict is Verdict.OK
    assert [each.verdict for each in surroundings.judge_versions(Microversions(100, 39))] == [Verdict.OK]
    old = surroundings.judge_versions(Microversions(60, 39))
    assert {each.verdict for each in old} == {Verdict.UNKNOWN}
    assert any("server groups" in each.details for each in old)
