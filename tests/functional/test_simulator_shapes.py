"""The simulated cloud answers in the shapes of a genuine Nova 34, Placement 16 and Keystone 30.

``genuine_shapes.json`` holds what was seen there: requests, in the order in which they were made,
with the status and the shape of each answer (keys, and the types of values). The same requests are
made here, in a cloud made alike.
"""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest
import requests

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, group, host, identity, instance, snapshot
from vmpath_service.model.snapshot import Aggregate
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.settings import Settings

SEEN = json.loads(pathlib.Path(__file__).with_name("genuine_shapes.json").read_text())
# Values that depend on what a cloud holds: only that they are objects or lists was noted.
FREE = {"array": list, "object": dict}


def shape_differs(value: Any, shape: Any, place: str = "") -> str | None:
    """Where and how a value differs from the shape that was seen, or None."""
    if isinstance(shape, dict) and set(shape) == {"?"}:
        return shape_differs(value, shape["?"], place)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{place}: {value!r} is no object"
        if set(shape) == {"*"}:
            parts = ((v, shape["*"], f"{place}/*") for v in value.values())
        else:
            optional = {k for k, s in shape.items() if isinstance(s, dict) and set(s) == {"?"}}
            if missing := set(shape) - set(value) - optional:
                return f"{place}: {sorted(missing)} missing"
            if surplus := set(value) - set(shape):
                return f"{place}: {sorted(surplus)} too much"
            parts = ((v, shape[k], f"{place}/{k}") for k, v in value.items())
        return next((found for part in parts if (found := shape_differs(*part))), None)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place}: {value!r} is no list"
        if not shape:
            return None
        return next(
            (f for i, v in enumerate(value) if (f := shape_differs(v, shape[0], f"{place}/{i}"))),
            None,
        )
    if shape == "any":
        return None
    if shape in FREE:
        return None if isinstance(value, FREE[shape]) else f"{place}: {value!r} is no {shape}"
    kinds = {"null", "boolean", "number", "string"}
    kind = (
        "null"
        if value is None
        else "boolean"
        if isinstance(value, bool)
        else "number"
        if isinstance(value, int | float)
        else "string"
        if isinstance(value, str)
        else type(value).__name__
    )
    # What was null there may have a value here, and the other way round.
    allowed = set(shape.split("|")) | {"null"}
    if kind in allowed or (allowed == {"null"} and kind in kinds):
        return None
    return f"{place}: {value!r} is no {shape}"


def make_cloud(simulated_cloud: Factory) -> Operator:
    az2 = (Aggregate("az2-hosts", {"availability_zone": "az2", "ssd": "true"}),)
    far = {"availability_zone": "az2", "aggregates": az2}
    given = snapshot(
        *(host(f"compute{n}", **(far if n > 4 else {})) for n in range(1, 7)),
        instance("locked", "compute2", locked=True, image="lab"),
        instance("plain", "compute1", image="lab"),
        instance("stopped", "compute1", status="SHUTOFF", image="lab"),
        instance("grouped-1", "compute1", image="lab"),
        instance("grouped-2", "compute2", image="lab"),
        instance("slow", "compute3", image="lab", metadata={"lab_dirty": "99", "lab_bw": "9"}),
        instance("demo-vm", "compute1", image="lab"),
        group("apart", "anti-affinity", "grouped-1", "grouped-2"),
    )
    cloud = simulated_cloud(given, clock=SteppedClock(), settings=Settings(compute_microversion=104))
    return Operator(cloud, connect(cloud))


def drive(cloud: Operator, name: str) -> None:
    """Bring the cloud to where the other was when that request was made."""
    if name == "migrate_live_already_migrating":
        assert cloud.migrate("slow", "compute4").status_code == 202
        cloud.step(10)
    elif name == "abort_finished":
        assert cloud.force_complete("slow", 1).status_code == 202
        cloud.step(300)
    elif name == "os_migrations_cancelled":
        assert cloud.migrate("slow", "compute3").status_code == 202
        cloud.step(10)
        assert cloud.abort("slow", 2).status_code == 202
        cloud.step(10)
    elif name == "os_migrations_error_scheduler":
        assert cloud.migrate("grouped-1", "compute2").status_code == 202
        cloud.step(10)
    elif name == "server_show_verify_resize":
        assert cloud.act("stopped", "migrate", {"host": "compute4"}).status_code == 202
        cloud.step(10)
    elif name == "confirm_resize_again":
        assert cloud.act("stopped", "confirmResize").status_code == 204
        cloud.step(10)


def test_answers_have_the_shapes_seen(simulated_cloud: Factory) -> None:
    cloud = make_cloud(simulated_cloud)
    tokens = {
        "admin": cloud.connection.session.get_token(),
        "demo": connect(cloud.cloud, "simulated-demo").session.get_token(),
    }
    flavor = cloud.compute.get("/flavors").json()["flavors"][0]["id"]
    services = {s.host: s.id for s in cloud.connection.compute.services(binary="nova-compute")}
    differences = []
    for seen in SEEN:
        drive(cloud, seen["name"])
        migrations = cloud.migrations("slow")
        known = {
            "flavor": flavor,
            "image": "lab",
            "migration of slow": migrations[-1]["uuid"] if migrations else "",
            **{f"service {name}": uuid for name, uuid in services.items()},
        }

        def named(match: re.Match[str], known: dict[str, str] = known) -> str:
            return known.get(match.group(1)) or identity(match.group(1))

        headers = {"OpenStack-API-Version": seen["version"]} if seen["version"] else {}
        if seen["as"] != "nobody":
            headers["X-Auth-Token"] = tokens[seen["as"]]
        answer = requests.request(
            seen["method"],
            cloud.cloud.site.base_url + re.sub(r"\{([a-z0-9 -]+)\}", named, seen["path"]),
            data=re.sub(r"\{([a-z0-9 -]+)\}", named, json.dumps(seen["body"])) if seen["body"] else None,
            headers=headers,
            timeout=60,
        )
        found = None
        if answer.status_code != seen["status"]:
            found = f"status {answer.status_code} instead of {seen['status']}: {answer.text}"
        elif seen["shape"] != "null":
            found = shape_differs(answer.json(), seen["shape"])
        if found:
            differences.append(f"{seen['name']}: {found}")
    assert not differences, "\n".join(differences)
    assert cloud.cloud.unknown_requests == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1, "b": []}, None),
        ({"a": "x", "b": []}, "/a: 'x' is no number"),
        ({"b": []}, ": ['a'] missing"),
        ({"a": 1, "b": [], "c": 1}, ": ['c'] too much"),
        ({"a": 1, "b": [3]}, "/b/0: 3 is no string"),
    ],
)
def test_the_comparison_notices_differences(value: Any, expected: str | None) -> None:
    assert shape_differs(value, {"a": "number", "b": ["string"]}) == expected
