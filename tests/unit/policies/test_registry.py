"""Policies by name, and the hosts they may touch."""

import subprocess
import sys
from importlib import metadata

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput, NotFound
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.scope import reach


def test_own_policies_are_registered_as_plug_ins_too():
    installed = {point.name: point.load() for point in metadata.entry_points(group="vmpath.policies")}
    assert installed.items() >= registry.OWN.items()


def test_own_policies_are_found_without_a_scan():
    code = (
        "import sys; from vmpath_service.policies import registry; registry.make('drain');"
        "assert 'stevedore' not in sys.modules and 'importlib.metadata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_policy():
    with pytest.raises(InvalidInput, match="there is no policy 'consolidat'; did you mean 'consolidate'"):
        registry.make("consolidat")


def test_settings_from_texts():
    policy = registry.make("consolidate", {"headroom": "MEMORY_MB:10%", "spare_hosts": "1"}, texts=True)
    assert policy.settings["headroom"] == {"MEMORY_MB": 0.1}
    assert policy.settings["approval"] == "manual"
    with pytest.raises(InvalidInput, match="policy consolidate: option spare_hosts: found -1, expected"):
        registry.make("consolidate", {"spare_hosts": "-1"}, texts=True)
    with pytest.raises(InvalidInput, match=r"policies.d/x.ini: there is no option 'hedroom'"):
        registry.make("consolidate", {"hedroom": "1"}, texts=True, where="policies.d/x.ini")


ZONES = {"a": "one", "b": "one", "c": "two", "d": None}


@pytest.fixture
def zoned():
    ssd = {"aggregates": ({"name": "ssd"},)}
    return compile_cloud(
        cloud(
            dict.fromkeys("abcd", 1),
            {},
            down=["b"],
            of_host={
                name: {"availability_zone": zone} | (ssd if name in "ac" else {}) for name, zone in ZONES.items()
            },
        )
    )


@pytest.mark.parametrize(
    ("scope", "guards", "inside", "destinations"),
    [
        (Scope(), {}, "abcd", "acd"),
        (Scope(zones=("one",)), {}, "ab", "a"),
        (Scope(zones=("one",)), {"aggregates": ("ssd",)}, "a", "a"),
        (Scope(aggregates=("ssd",)), {"availability_zones": ("two",)}, "c", "c"),
        (Scope(hosts=("d", "a")), {}, "ad", "ad"),
        (Scope(zones=("one", "two")), {"availability_zones": ("two",)}, "c", "c"),
    ],
)
def test_scope_and_guards_intersect(zoned, scope, guards, inside, destinations):
    found = reach(zoned, scope, guards)
    assert "".join("abcd"[at] for at in found.inside) == inside
    assert "".join("abcd"[at] for at in found.destinations) == destinations


def test_a_scope_without_hosts(zoned):
    with pytest.raises(InvalidInput, match="no host is within zones one and zones two"):
        reach(zoned, Scope(zones=("one",)), {"availability_zones": ("two",)})


def test_unknown_names_in_a_scope(zoned):
    with pytest.raises(NotFound, match="there is no availability zone 'ones'; did you mean 'one'"):
        reach(zoned, Scope(zones=("ones",)), {})
    with pytest.raises(NotFound, match="there is no aggregate 'hdd'; there are: ssd"):
        reach(zoned, Scope(), {"aggregates": ("hdd",)})
    with pytest.raises(NotFound, match="there is no host 'z'; there are: a, b, c, d"):
        reach(zoned, Scope(hosts=("z",)), {})
