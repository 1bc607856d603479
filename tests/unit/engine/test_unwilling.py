"""What somebody says of an instance after the plan was made holds, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from tests.modelled.walking import World, plan_of
from vmpath_service.model.readings import InstanceReading


def test_an_instance_that_is_not_to_be_moved_any_more_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 4)}, plan_of(("x", "a", "b"), ("y", "a", "b")))
    read = world.cloud.read_instances

    def locked(uuids: Collection[str], *, within: float = 0.0) -> Mapping[str, InstanceReading]:
        found = dict(read(uuids, within=within))
        return {uuid: replace(each, why_not="it is locked") if uuid == "x" else each for uuid, each in found.items()}

    monkeypatch.setattr(world.cloud, "read_instances", locked)
    world.run()
    assert world.states() == ["skipped", "done"]
    assert world.reason(1) == "it is not to be moved any more: it is locked"
    assert world.cloud.servers["x"].host == "a"
