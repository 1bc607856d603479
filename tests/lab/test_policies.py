"""Policies on a genuine Nova, each from an ini file as an operator writes it; judged by Nova and Placement.

``drain``, ``consolidate`` and ``balance`` by themselves are in ``test_acceptance``.
"""

from __future__ import annotations

import collections
import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call, until
from tests.lab.tiers import slow
from tests.programs import Service

EXAMPLES = pathlib.Path(__file__).parents[1] / "example_plugins"
LAST = "compute6"  # alone in the availability zone "second"
POLICIES: Mapping[str, Mapping[str, object]] = {
    "policy:apart": {"driver": "spread", "of": "metadata", "key": "application", "level": "rack"},
    "policy:soft-groups": {"driver": "spread", "exclude_hosts": "compute4, compute5"},
    "policy:close": {"driver": "gather", "of": "metadata", "key": "application", "names": "cache"},
    "policy:pages": {"driver": "sharing", "shares": "os:20%, distribution:30%", "real_memory_limit": 45},
    "policy:repair": {"driver": "heal"},
    "policy:relief": {"driver": "threshold", "threshold": 50, "availability_zones": "nova"},
    "policy:move-out": {
        "driver": "zone-migration",
        "from_hosts": "compute1, compute2",
        "to_zones": "second",
        "order": "smallest",
        "max_migrations": 2,
    },
    "policy:tidy": {"driver": "heal, drain, balance", "aggressiveness": 5, "availability_zones": "nova"},
    "policy:heads": {"driver": "even-counts", "exclude_hosts": "compute5", "exclude_metadata": "tier=gold"},
}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where pip has installed the example package."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(EXAMPLES, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--target", str(folder / "installed")]
    subprocess.run([*pip, *options, str(folder / "source")], check=True, timeout=120)
    return folder / "installed"


@pytest.fixture(scope="module")
def running(
    nova_lab: NovaLab, plugins: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    names = [name.removeprefix("policy:") for name in POLICIES]
    sections: dict[str, Mapping[str, object]] = {
        "DEFAULT": {"enabled_policies": ", ".join([*names, "wish"])},
        **{name: {**options, "approval": "automatic"} for name, options in POLICIES.items()},
        "policy:wish": {"driver": "target", "file": folder / "wish.json", "approval": "automatic-below 3"},
        # the driver of the lab ends a migration at once: it needs no second look after many seconds
        "executor": {"poll_seconds": 0.5, "settle_seconds": 1.5},
    }
    service = Service(folder, nova_lab.clouds_file, "novalab", sections)
    service.environment["PYTHONPATH"] = str(plugins)
    with service:
        yield service


@pytest.fixture
def service(running: Service, clean_lab: NovaLab) -> Service:
    """vmpath on an empty lab."""
    return running


def build(lab: NovaLab, **servers: tuple[str, str, dict[str, str]]) -> dict[str, str]:
    """Servers by name: flavor (without "vmpath."), host and metadata; their ids."""
    wishes = [
        scenario.Wish(name, f"vmpath.{flavor}", host, metadata=data) for name, (flavor, host, data) in servers.items()
    ]
    return scenario.boot(lab, wishes)


def homes(lab: NovaLab, servers: Mapping[str, str]) -> dict[str, str]:
    """Where Nova says that each server is, by name."""
    present = observe.servers(lab)
    return {name: observe.host_of(present[uuid]) for name, uuid in servers.items()}


def apply(lab: NovaLab, service: Service, policy: str, *words: str, expected: int = 0) -> dict[str, Any]:
    """Start a rearrangement, follow it to its end, and check what must hold after every one."""
    done: dict[str, Any] = service.answer("rearrangement", "create", policy, *words, "--wait", expected=expected)
    observe.assert_groups_intact(lab)
    observe.assert_allocations_match_hosts(lab)
    observe.assert_guests_match_hosts(lab)
    assert observe.migrations_in_progress(lab) == []
    assert {entry["status"] for entry in observe.migrations(lab) if entry["id"] in _since(lab, done)} <= {"completed"}
    return done


def _since(lab: NovaLab, done: Mapping[str, Any]) -> set[int]:
    """Nova's records of the migrations of a rearrangement: as many, of the same instances, as it says."""
    ours = collections.Counter(each["instance"] for each in done["migrations"])
    records = [entry for entry in reversed(observe.migrations(lab)) if entry["instance_uuid"] in ours]
    mine = records[: ours.total()]
    assert collections.Counter(entry["instance_uuid"] for entry in mine) == ours
    return {entry["id"] for entry in mine}


def force(lab: NovaLab, server: str, host: str) -> None:
    """Move a server past the scheduler, as old clients could."""
    body = {"os-migrateLive": {"host": host, "block_migration": "auto", "force": True}}
    call(lab.compute, "POST", f"/servers/{server}/action", body, microversion="2.67")
    until(
        lambda: [each["status"] for each in observe.migrations(lab, instance_uuid=server)] == ["completed"],
        f"the migration of {server} is over",
    )
    assert observe.host_of(observe.servers(lab)[server]) == host
    scenario.wait_for_status(lab, [server], "ACTIVE")
    observe.assert_allocations_match_hosts(lab)


def status(lab: NovaLab, host: str) -> str:
    return str(call(lab.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"][0]["status"])


def disable(lab: NovaLab, host: str) -> None:
    found = call(lab.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"][0]["id"]
    call(lab.compute, "PUT", f"/os-services/{found}", {"status": "disabled"})


def racks(lab: NovaLab, **hosts: tuple[str, ...]) -> None:
    """Aggregates that name the racks of hosts."""
    for rack, members in hosts.items():
        made = call(lab.compute, "POST", "/os-aggregates", {"aggregate": {"name": rack}})["aggregate"]["id"]
        call(lab.compute, "POST", f"/os-aggregates/{made}/action", {"set_metadata": {"metadata": {"rack": rack}}})
        for host in members:
            call(lab.compute, "POST", f"/os-aggregates/{made}/action", {"add_host": {"host": host}})


@slow
def test_spread_over_racks(clean_lab: NovaLab, service: Service) -> None:
    racks(clean_lab, r1=("compute1", "compute2"), r2=("compute3", "compute4"), r3=("compute5", LAST))
    shop, wiki = {"application": "shop"}, {"application": "wiki"}
    servers = build(
        clean_lab,
        shop1=("small", "compute1", shop),
        shop2=("small", "compute1", shop),
        shop3=("medium", "compute2", shop),
        wiki1=("small", "compute3", wiki),
        wiki2=("small", "compute5", wiki),
    )
    done = apply(clean_lab, service, "apart")
    assert done["state"] == "succeeded"
    after = homes(clean_lab, servers)
    at = {"compute1": 1, "compute2": 1, "compute3": 2, "compute4": 2, "compute5": 3, LAST: 3}
    assert {at[after[name]] for name in ("shop1", "shop2", "shop3")} == {1, 2, 3}
    assert (after["wiki1"], after["wiki2"]) == ("compute3", "compute5")
    assert len(done["migrations"]) == 2


@slow
def test_spread_of_a_soft_group(clean_lab: NovaLab, service: Service) -> None:
    group = scenario.create_group(clean_lab, "pair", "soft-anti-affinity")
    wishes = [scenario.Wish(f"vm{number}", "vmpath.small", "compute1", group) for number in range(3)]
    servers = scenario.boot(clean_lab, wishes)
    assert apply(clean_lab, service, "soft-groups")["state"] == "succeeded"
    after = homes(clean_lab, servers)
    assert len(set(after.values())) == 3
    assert not {"compute4", "compute5"} & set(after.values())


@slow
def test_gather_on_one_host(clean_lab: NovaLab, service: Service) -> None:
    cache, other = {"application": "cache"}, {"application": "shop"}
    servers = build(
        clean_lab,
        cache1=("small", "compute1", cache),
        cache2=("medium", "compute2", cache),
        cache3=("large", "compute3", cache),
        shop1=("small", "compute4", other),
        shop2=("small", "compute5", other),
    )
    assert apply(clean_lab, service, "close")["state"] == "succeeded"
    after = homes(clean_lab, servers)
    assert len({after[name] for name in ("cache1", "cache2", "cache3")}) == 1
    assert (after["shop1"], after["shop2"]) == ("compute4", "compute5")


@slow
def test_sharing_fits_on_one_host_what_is_too_much_by_its_plain_size(clean_lab: NovaLab, service: Service) -> None:
    # of 32 GiB 45 % may be used: three of 4 GiB each; of six alike half their memory is there once
    system = {"os_type": "linux", "os_distro": "debian"}
    servers = build(
        clean_lab,
        **{f"vm{number}": ("large", f"compute{1 + number % 3}", system) for number in range(6)},
    )
    done = apply(clean_lab, service, "pages")
    assert done["state"] == "succeeded"
    assert len(set(homes(clean_lab, servers).values())) == 1
    assert "1 hosts in use; 2 if" in done["decision"]["notes"][0]


def test_heal_puts_right_what_is_in_a_wrong_zone_and_on_a_disabled_host(
    clean_lab: NovaLab, service: Service
) -> None:
    image = call(clean_lab.adapter("image", "2"), "GET", "/v2/images?name=lab")["images"][0]["id"]
    body = {
        "name": "zoned",
        "flavorRef": scenario.ensure_flavors(clean_lab)["vmpath.small"],
        "imageRef": image,
        "networks": "none",
        "availability_zone": "second",
    }
    zoned = str(call(clean_lab.compute, "POST", "/servers", {"server": body})["server"]["id"])
    scenario.wait_for_status(clean_lab, [zoned], "ACTIVE")
    servers = build(
        clean_lab,
        stranded=("medium", "compute2", {}),
        settled=("small", "compute3", {}),
    )
    force(clean_lab, zoned, "compute1")
    disable(clean_lab, "compute2")
    done = apply(clean_lab, service, "repair")
    assert done["state"] == "succeeded"
    after = homes(clean_lab, {**servers, "zoned": zoned})
    assert after["zoned"] == LAST
    assert after["stranded"] not in ("compute2", LAST)
    assert after["settled"] == "compute3"
    # who has disabled the host enables it again
    assert status(clean_lab, "compute2") == "disabled"
    assert len(done["migrations"]) == 2


@slow
def test_threshold_relieves_the_fullest_hosts(clean_lab: NovaLab, service: Service) -> None:
    servers = build(
        clean_lab,
        a=("xlarge", "compute1", {}),
        b=("xlarge", "compute1", {}),
        c=("large", "compute1", {}),
        d=("large", "compute1", {}),
        e=("xlarge", "compute2", {}),
        f=("large", "compute2", {}),
    )
    assert apply(clean_lab, service, "relief")["state"] == "succeeded"
    after = homes(clean_lab, servers)
    assert max(observe.memory_fraction_by_host(clean_lab).values()) <= 0.5
    # 24 GiB of 32: to move one of the hungriest is enough
    assert sum(after[name] != "compute1" for name in "abcd") == 1
    assert {after["a"], after["b"]} != {"compute1"}
    assert (after["e"], after["f"]) == ("compute2", "compute2")
    assert LAST not in after.values()


@slow
def test_zone_migration_at_a_pace(clean_lab: NovaLab, service: Service) -> None:
    servers = build(
        clean_lab,
        a=("medium", "compute1", {}),
        b=("small", "compute1", {}),
        c=("large", "compute2", {}),
        other=("small", "compute3", {}),
    )
    first = apply(clean_lab, service, "move-out")
    assert first["state"] == "succeeded"
    assert homes(clean_lab, servers) == {"a": LAST, "b": LAST, "c": "compute2", "other": "compute3"}
    assert [status(clean_lab, host) for host in ("compute1", "compute2")] == ["disabled", "disabled"]
    second = apply(clean_lab, service, "move-out")
    assert second["state"] == "succeeded"
    assert homes(clean_lab, servers) == {"a": LAST, "b": LAST, "c": LAST, "other": "compute3"}
    third = apply(clean_lab, service, "move-out")
    assert (third["state"], third["migrations"]) == ("succeeded", [])


@slow
def test_a_target_from_a_file(clean_lab: NovaLab, service: Service) -> None:
    servers = build(clean_lab, a=("xlarge", "compute1", {}), b=("large", "compute2", {}), c=("small", "compute3", {}))
    wish = {"format": "vmpath-placement/1", "placement": {servers["a"]: "compute2", servers["b"]: "compute1"}}
    (service.directory / "wish.json").write_text(json.dumps(wish))
    # two migrations are approved by themselves, as they are fewer than three
    assert apply(clean_lab, service, "wish")["state"] == "succeeded"
    assert homes(clean_lab, servers) == {"a": "compute2", "b": "compute1", "c": "compute3"}


def test_heal_drain_and_balance_one_after_the_other(clean_lab: NovaLab, service: Service) -> None:
    servers = build(
        clean_lab,
        stranded=("large", "compute2", {}),
        a=("large", "compute1", {}),
        b=("small", "compute1", {}),
        c=("large", "compute3", {}),
        d=("large", "compute3", {}),
        e=("medium", "compute3", {}),
        f=("medium", "compute3", {}),
    )
    disable(clean_lab, "compute2")
    done = apply(clean_lab, service, "tidy", "--host", "compute1")
    assert done["state"] == "succeeded"
    after = homes(clean_lab, servers)
    assert not {"compute1", "compute2", LAST} & set(after.values())
    assert status(clean_lab, "compute1") == "disabled"
    memory = observe.memory_fraction_by_host(clean_lab)
    # four of 4 GiB, two of 2 and one of 1: no three hosts are more even than with 8, 7 and 6
    assert sorted(round(memory[host] * 32) for host in ("compute3", "compute4", "compute5")) == [6, 7, 8]
    # one path for all of it: nobody moves twice
    assert max(collections.Counter(each["instance"] for each in done["migrations"]).values()) == 1


@slow
def test_a_policy_of_another_package(clean_lab: NovaLab, service: Service) -> None:
    gold: dict[str, str] = {"tier": "gold"}
    servers = build(
        clean_lab,
        **{f"gold{number}": ("small", "compute1", gold) for number in range(2)},
        **{f"vm{number}": ("small", "compute1", {}) for number in range(8)},
    )
    assert apply(clean_lab, service, "heads")["state"] == "succeeded"
    after = homes(clean_lab, servers)
    counts = collections.Counter(after.values())
    # ten on five hosts, but not on the one that is left out
    assert counts == dict.fromkeys(("compute1", "compute2", "compute3", "compute4", LAST), 2)
    assert after["gold0"] == after["gold1"] == "compute1"
