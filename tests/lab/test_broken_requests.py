"""What becomes of requests that do not come through, and what others do between plan and start, on genuine Nova: the
rows of the table of failures in which no migration fails by itself. Judged by Nova."""

from __future__ import annotations

import collections
import json
import pathlib

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call, until
from tests.lab.proxy import Answer, Lost, before_nova, clouds_by_way_of
from tests.lab.wishing import ENDLESS, ask_for, configured, ended, migrations
from tests.programs import Service

ROWS = {
    # state and kind of failure of the migration, its attempts, and how many records Nova has of it
    "sound": ("done", None, 1),
    "refused": ("failed", "refused", 0),
    "told to come later": ("done", None, 1),
    "answer lost": ("done", None, 1),
    "request lost": ("failed", "never arrived", 0),
    "late error": ("failed", "aborted", 1),
    "filled": ("failed", "not started", 0),
}
METADATA = {"late error": ENDLESS}


def test_requests_that_do_not_come_through(clean_lab: NovaLab, tmp_path: pathlib.Path) -> None:
    servers = scenario.boot(
        clean_lab,
        [
            scenario.Wish(name, "vmpath.small", f"compute{number % 3 + 1}", metadata=METADATA.get(name, {}))
            for number, name in enumerate(ROWS)
        ],
    )
    names = {uuid: name for name, uuid in servers.items()}
    asked: collections.Counter[str] = collections.Counter()

    def judge(method: str, path: str, body: bytes) -> Answer | Lost | None:
        if method != "POST" or b"os-migrateLive" not in body:
            return None
        (name,) = (name for uuid, name in names.items() if uuid in path)
        asked[name] += 1
        match name:
            case "refused":
                # someone else is quicker: Nova itself says 409 then
                call(clean_lab.compute, "POST", f"/servers/{servers[name]}/action", {"suspend": None})
                scenario.wait_for_status(clean_lab, [servers[name]], "SUSPENDED")
            case "told to come later" if asked[name] == 1:
                return Answer(429, {"Retry-After": "2"})
            case "told to come later" if asked[name] == 2:
                return Answer(503, {"Retry-After": "1"})
            case "answer lost":
                return Lost(forwarded=True)
            case "request lost":
                return Lost(forwarded=False)
        return None

    sections = configured(
        tmp_path,
        settle_seconds=1,
        # what is said to be in error once the abort is seen has to be said by then
        abort_settle_seconds=20,
        request_settle_seconds=12,
        retry_seconds=1,
        start_wait_seconds=10,
        per_source=4,
        per_destination=8,
        when_not_converging="abort",
        copy_seconds=8,
        stall_seconds=4,
    )
    huge = {"flavor": {"name": "vmpath.huge", "ram": (32 << 10) - 512, "vcpus": 1, "disk": 1}}
    flavor = call(clean_lab.compute, "POST", "/flavors", huge)["flavor"]["id"]
    with before_nova(clean_lab, judge) as address:
        clouds = tmp_path / "clouds.yaml"
        clouds.write_text(clouds_by_way_of(clean_lab, address))
        with Service(tmp_path, clouds, "novalab", sections) as service:
            service.command("freeze", "--reason", "until it is planned and the world has moved on")
            identity = ask_for(
                service,
                {uuid: "compute6" if name == "filled" else "compute4" for uuid, name in names.items()},
            )
            until(lambda: len(migrations(service, identity)) == len(ROWS), "the plan is made")
            image = call(clean_lab.adapter("image", "2"), "GET", "/v2/images?name=lab")["images"][0]["id"]
            body = {"name": "stranger", "flavorRef": flavor, "imageRef": image, "networks": "none", "host": "compute6"}
            stranger = call(clean_lab.compute, "POST", "/servers", {"server": body})["server"]["id"]
            scenario.wait_for_status(clean_lab, [stranger], "ACTIVE")
            service.command("thaw")

            def aborted() -> bool:
                records = observe.migrations(clean_lab)
                return any(
                    (each["instance_uuid"], each["status"]) == (servers["late error"], "cancelled") for each in records
                )

            until(aborted, "what does not converge is aborted", 300)
            # what libvirt's driver does a second or two after an abort, though the guest runs on
            reset = {"os-resetState": {"state": "error"}}
            call(clean_lab.compute, "POST", f"/servers/{servers['late error']}/action", reset)
            record = ended(service, identity)
            told = migrations(service, identity)
    call(clean_lab.compute, "DELETE", f"/flavors/{flavor}")
    assert record["state"] == "failed"
    records = collections.Counter(each["instance_uuid"] for each in observe.migrations(clean_lab))
    assert {
        name: (told[uuid]["state"], told[uuid]["failure"], records[uuid]) for name, uuid in servers.items()
    } == ROWS, json.dumps(told, indent=1)
    reasons = {name: told[uuid]["reason"] or "" for name, uuid in servers.items()}
    assert "Nova refused the request" in reasons["refused"]
    assert "MEMORY_MB free of the 1024 that are needed" in reasons["filled"]
    assert "the instance is ERROR on" in reasons["late error"]
    assert "Nova often says ERROR then though the guest runs on" in reasons["late error"]
    assert asked["told to come later"] == 3
    assert asked["answer lost"] == asked["request lost"] == 1
    assert "filled" not in asked
    present = observe.servers(clean_lab)
    for name, uuid in servers.items():
        assert (observe.host_of(present[uuid]) == "compute4") == (ROWS[name][0] == "done")
