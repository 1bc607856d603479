import msgspec
import pytest

from tests.unit.cloud.shapes import server
from vmpath_service.cloud import groups, wire
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.snapshot import Rules

GENUINE = b"""{"server_groups": [
 {"id": "g1", "name": "apart", "policy": "anti-affinity", "rules": {"max_server_per_host": 2},
  "members": ["x", "y", "gone"], "project_id": "p", "user_id": "u"},
 {"id": "g2", "name": "demo-soft", "policy": "soft-anti-affinity", "rules": {}, "members": [],
  "project_id": "p", "user_id": "u"}]}"""
OLD = b"""{"server_groups": [{"id": "g1", "name": "apart", "policies": ["affinity"], "metadata": {},
 "members": ["x"]}]}"""


def test_members_are_the_listed_servers_and_empty_groups_are_left_out() -> None:
    shown = msgspec.json.decode(GENUINE, type=wire.Groups).server_groups
    (found,) = groups.server_groups(shown, {"x", "y"})
    assert (found.uuid, found.name, found.policy) == ("g1", "apart", "anti-affinity")
    assert (found.members, found.rules) == (("x", "y"), Rules(2))
    assert groups.group_of([found]) == {"x": found, "y": found}


def test_groups_as_old_clouds_show_them() -> None:
    shown = msgspec.json.decode(OLD, type=wire.Groups).server_groups
    assert groups.server_groups(shown, {"x"})[0].policy == "affinity"


def test_a_policy_that_is_not_known_stops_everything() -> None:
    with pytest.raises(NoDecision, match="'left-handed'"):
        groups.server_groups([wire.Group("g", "odd", ("x",), "left-handed")], {"x"})


def test_groups_that_were_hinted_at_but_not_shown() -> None:
    shown = [wire.Group("g1", "apart")]
    servers = [
        server(id="x", scheduler_hints={"group": ["g1"]}),
        server(id="y", scheduler_hints={"group": "g2"}),
        server(id="z", scheduler_hints={"same_host": ["x"]}),
        server(id="named", scheduler_hints={"group": ["apart"]}),
        server(id="old", scheduler_hints=None),
    ]
    assert groups.hinted_but_hidden(servers, shown) == {"g2": "y"}
