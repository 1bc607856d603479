"""The three file formats: what is read, what is refused and in which words."""

import contextlib
import gzip
import json
import pathlib

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpath_service.model import files, schemas
from vmpath_service.model.errors import InvalidFile
from vmpath_service.model.plan import HostStep, Migration, Plan
from vmpath_service.model.snapshot import Host, Snapshot

REPOSITORY = pathlib.Path(__file__).parents[3]


def full():
    """A snapshot that uses every key of the format."""
    return {
        "format": "vmpath-snapshot/1",
        "taken_at": "2026-11-20T12:00:00Z",
        "region": "RegionOne",
        "hosts": [
            {
                "name": "compute-001",
                "uuid": "h1",
                "state": "up",
                "status": "enabled",
                "disabled_reason": None,
                "inventories": {
                    "VCPU": {"total": 32, "reserved": 0, "allocation_ratio": 4.0, "max_unit": 32},
                    "MEMORY_MB": {"total": 262144, "reserved": 2048, "allocation_ratio": 1.0},
                    "DISK_GB": {"capacity": 2000},
                },
                "used_by_others": {"MEMORY_MB": 512},
                "availability_zone": "az1",
                "cell": "cell1",
                "aggregates": [{"name": "ssd", "metadata": {"ssd": "true"}}],
                "traits": ["HW_CPU_X86_AVX2"],
                "hypervisor_type": "QEMU",
                "hypervisor_version": 8002002,
                "links": ["nic:compute-001", "rack-7"],
                "boot_s": 180,
                "extra": {"anything": [1, {"goes": None}]},
            },
            {"name": "compute-002", "inventories": {}},
        ],
        "instances": [
            {
                "uuid": "i1",
                "name": "web-1",
                "host": "compute-001",
                "status": "ACTIVE",
                "task_state": None,
                "resources": {"VCPU": 2, "MEMORY_MB": 4096, "DISK_GB": 20},
                "project_id": "p",
                "flavor": "m1.medium",
                "image": "cirros",
                "created_at": "2026-11-20T12:00:00Z",
                "metadata": {"a": "b"},
                "tags": ["t"],
                "locked": False,
                "pinned_availability_zone": None,
                "required_traits": [],
                "forbidden_traits": [],
                "required_aggregates": [],
                "movable": "live",
                "why_not": None,
                "post_copy": "allowed",
                "memory": {"used_mb": 3000, "dirty_mb_s": 12.0, "working_set_mb": 64, "working_set_s": 2},
                "storage": {"kind": "shared", "copy_gb": 0},
            },
            {"uuid": "i2", "host": None, "resources": {"VCPU": 1}},
        ],
        "in_flight": [{"instance": "i1", "source": "compute-001", "dest": "compute-002", "migration": "m"}],
        "server_groups": [
            {
                "uuid": "g",
                "name": "db",
                "policy": "anti-affinity",
                "rules": {"max_server_per_host": 1},
                "members": ["i1"],
            }
        ],
        "network": {"links": {"nic:compute-001": 10000, "rack-7": 40000}},
    }


def decode(document):
    return files.decode_snapshot(json.dumps(document).encode(), "cloud.json")


def refusal(document):
    with pytest.raises(InvalidFile) as caught:
        decode(document)
    return str(caught.value)


def test_every_key_of_the_format_is_read_and_the_schema_agrees():
    snapshot = decode(full())
    assert snapshot.hosts[0].inventories["MEMORY_MB"].limit() == 262144 - 2048
    assert snapshot.hosts[0].inventories["DISK_GB"].limit() == 2000
    assert snapshot.instances[0].memory.working_set_s == 2
    jsonschema.validate(full(), json.loads(schemas.schema(type(snapshot))))


def test_what_is_absent_has_the_default_that_a_reader_expects():
    snapshot = decode(full())
    host, instance = snapshot.hosts[1], snapshot.instances[1]
    assert (host.state, host.status, host.boot_s, host.used_by_others) == ("up", "enabled", 120, {})
    assert (instance.movable, instance.post_copy, instance.status) == ("live", "allowed", "ACTIVE")


@pytest.mark.parametrize(
    ("inventory", "capacity"),
    [
        ({"total": 100, "allocation_ratio": 1.15}, 114),  # in double precision 114.99999999999999
        ({"total": 32, "reserved": 2, "allocation_ratio": 4.0}, 120),
        ({"total": 7}, 7),
        ({"capacity": 5}, 5),
    ],
)
def test_capacity_is_placements(inventory, capacity):
    document = full()
    document["hosts"][1]["inventories"] = {"VCPU": inventory}
    assert decode(document).hosts[1].inventories["VCPU"].limit() == capacity


def put(path, value):
    """A change that sets what a JSON pointer names."""

    def change(document):
        node = document
        *way, last = path.strip("/").split("/")
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("hosts/0/colour", "red"), "cloud.json at /hosts/0/colour: unknown key"),
        (
            put("hosts/0/inventories/VCPU/total", -1),
            "cloud.json at /hosts/0/inventories/VCPU/total: found -1: expected int >= 0",
        ),
        (put("hosts/0/inventories/VCPU/total", 2.5), "cloud.json at /hosts/0/inventories/VCPU/total: found 2.5"),
        (put("hosts/0/inventories/VCPU", {}), "/hosts/0/inventories/VCPU: expected 'total' or 'capacity'"),
        (put("hosts/0/inventories/VCPU/reserved", 33), "/reserved: found 33, expected at most the total 32"),
        (
            put("hosts/0/inventories/VCPU/capacity", 9),
            "/hosts/0/inventories/VCPU: found both, expected 'total' or 'capacity'",
        ),
        (
            put("hosts/0/inventories/VCPU/min_unit", 33),
            "/hosts/0/inventories/VCPU/min_unit: found 33, expected at most the max_unit 32",
        ),
        (put("hosts/0/state", "asleep"), "/hosts/0/state: found \"asleep\": invalid enum value 'asleep'"),
        (put("hosts/1/name", "compute-001"), "/hosts/1/name: host 'compute-001' stands twice"),
        (
            lambda document: [host.update(uuid="u") for host in document["hosts"]],
            "/hosts/1/uuid: the uuid 'u' stands twice",
        ),
        (put("network/links/rack-7", 1e-300), "/network/links/rack-7: found 1e-300: expected float >= 0.001"),
        (put("hosts/0/links/0", "nic"), "/hosts/0/links/0: there is no link 'nic' in /network/links"),
        (put("hosts", []), "/hosts: there is no host in the cloud"),
        (put("instances/1/uuid", "i1"), "/instances/1/uuid: instance 'i1' stands twice"),
        (put("instances/1/uuid", ""), '/instances/1/uuid: found "": expected str of length >= 1'),
        (put("instances/0/host", "compute-9"), "/instances/0/host: there is no host 'compute-9' in /hosts"),
        (put("instances/0/resources/VCPU", -2), "/instances/0/resources/VCPU: found -2: expected int >= 0"),
        (put("instances/0/resources/VCPU", True), "/instances/0/resources/VCPU: found true: expected int, got bool"),
        (put("instances/0/metadata", {"x": 1}), "/instances/0/metadata/x: found 1: expected str, got int"),
        (put("in_flight/0/source", "compute-002"), "instance 'i1' is on 'compute-001', expected 'compute-002' or"),
        (put("in_flight/0/dest", "nowhere"), "/in_flight/0/dest: there is no host 'nowhere'"),
        (put("server_groups/0/members/0", "i9"), "/server_groups/0/members/0: there is no instance 'i9'"),
        (put("server_groups/0/policy", "love"), "/server_groups/0/policy"),
        (put("taken_at", "yesterday"), "/taken_at: found 'yesterday', expected an ISO 8601 time"),
        (put("format", "vmpath-snapshot/2"), '/format: found "vmpath-snapshot/2", expected "vmpath-snapshot/1"'),
    ],
)
def test_a_wrong_snapshot_is_refused_with_its_place(change, expected):
    document = full()
    change(document)
    assert expected in refusal(document)


def test_a_missing_key_is_named():
    document = full()
    del document["hosts"][1]["inventories"]
    assert refusal(document) == "cloud.json at /hosts/1: the key 'inventories' is missing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[]", "expected a JSON object"),
        (b"{", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"", "is not valid JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(text, expected):
    with pytest.raises(InvalidFile, match=expected):
        files.decode_snapshot(text, "cloud.json")


@pytest.mark.parametrize(
    "twice",
    [
        b'"resources":{"VCPU":1,"VCPU":2}',
        b'"resources":{"VCPU" :1,"VCPU":2}',
        b'"name":"a\\"b","resources":{"VCPU":1,"VCPU":2}',
        b'"name":":","resources":{"VCPU":1, "VCPU" : 2}',
    ],
)
def test_a_key_that_stands_twice_is_refused(twice):
    text = (
        b'{"format":"vmpath-snapshot/1","hosts":[{"name":"h","inventories":{}}],"instances":[{"uuid":"i","host":"h",'
        + twice
        + b"}]}"
    )
    with pytest.raises(InvalidFile, match="VCPU: this key stands twice in one object"):
        files.decode_snapshot(text, "cloud.json")


def test_texts_that_look_like_keys_are_no_duplicates():
    document = full()
    document["instances"][0]["name"] = '": "name": "\\'
    document["hosts"][0]["extra"] = {'a":': {'a":': ":"}}
    assert decode(document).instances[0].name == '": "name": "\\'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_no_json_makes_the_reader_fail_in_another_way(value):
    for document in (value, {"format": "vmpath-snapshot/1", "hosts": value, "instances": []}):
        with contextlib.suppress(InvalidFile):
            decode(document)


def test_gzip_by_name_and_an_identity_of_the_uncompressed_bytes(tmp_path):
    snapshot = decode(full())
    plain, packed = tmp_path / "a.json", tmp_path / "a.json.gz"
    files.save(snapshot, str(plain))
    files.save(snapshot, str(packed))
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert files.load_snapshot(str(packed)) == files.load_snapshot(str(plain)) == snapshot
    assert files.identity(files.read_bytes(str(packed))) == files.identity(plain.read_bytes())


def test_a_file_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(InvalidFile, match=r"absent\.json: cannot be read: No such file"):
        files.load_snapshot(str(tmp_path / "absent.json"))
    broken = tmp_path / "broken.json.gz"
    # cut off, and spoilt in the middle
    for data in (gzip.compress(b"x" * 99)[:12], gzip.compress(b"x" * 99)[:10] + b"\xff" * 20):
        broken.write_bytes(data)
        with pytest.raises(InvalidFile, match=r"cannot be read"):
            files.load_snapshot(str(broken))
    broken.write_bytes(b"no gzip")
    with pytest.raises(InvalidFile, match=r"cannot be read"):
        files.load_snapshot(str(broken))
    with pytest.raises(InvalidFile, match="cannot be written"):
        files.save(decode(full()), str(tmp_path / "absent" / "a.json"))


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")

    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.save(decode(full()), str(path))
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_the_steps_of_a_plan_refer_to_earlier_ones(tmp_path):
    def plan(*migrations, steps=()):
        return Plan(outcome="found", target={}, snapshot="sha256:0", migrations=migrations, host_steps=steps)

    path = str(tmp_path / "plan.json")
    good = Migration(id=2, instance="i", source="a", dest="b", after=(1,))
    files.save(plan(good, steps=(HostStep(id=1, host="b", action="power-on"),)), path)
    assert files.load_plan(path).migrations == (good,)
    for wrong, expected in (
        ((good,), "/migrations/0/after/0: there is no step with id 1"),
        ((Migration(id=1, instance="i", source="a", dest="b", after=(1,)),), "found 1, expected an id smaller than 1"),
        ((Migration(id=1, instance="i", source="a", dest="b"),) * 2, "/migrations/1/id: id 1 stands twice"),
        (
            (Migration(id=1, instance="i", source="a", dest="b", rate_mbps=1e-3, memory_mb=4096),),
            "/migrations/0/rate_mbps: found 0.001 Mbit/s, at which 4096 MiB take more than a year",
        ),
    ):
        files.save(plan(*wrong), path)
        with pytest.raises(InvalidFile) as caught:
            files.load_plan(path)
        assert expected in str(caught.value)


def test_the_published_schemas_are_those_of_the_code():
    for name, kind in schemas.KINDS.items():
        assert (REPOSITORY / "doc" / "source" / "schemas" / name).read_bytes() == schemas.schema(kind), name


def test_the_schema_refuses_what_the_reader_refuses():
    schema = json.loads(schemas.schema(type(decode(full()))))
    for change in (
        put("hosts/0/colour", "red"),
        put("hosts/0/inventories/VCPU/total", -1),
        put("hosts/0/state", "asleep"),
    ):
        document = full()
        change(document)
        refusal(document)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, schema)


def test_a_snapshot_made_in_memory_is_written_with_its_format(tmp_path):
    made = Snapshot(hosts=(Host(name="a", inventories={}),), instances=())
    files.save(made, str(tmp_path / "made.json"))
    assert files.load_snapshot(str(tmp_path / "made.json")) == made
