"""A simulated cloud tells what happens also when nobody asks it."""

from __future__ import annotations

import time
import uuid

from tests.contracts.cloud.hearing import Hearing
from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import host, identity, instance, snapshot
from vmpath_service.simulator.notifier import Broker
from vmpath_service.simulator.settings import Settings

ARRIVED = "live_migration_post_dest.end h2 active/None"


def test_time_passes_for_those_who_only_listen(simulated_cloud: Factory) -> None:
    broker = Broker("fake://", topic=f"only-listening-{uuid.uuid4()}")
    cloud = simulated_cloud(
        snapshot(host("h1"), host("h2"), instance("a", "h1")), settings=Settings(overhead_s=0.2), broker=broker
    )
    hearing = Hearing(broker.url, broker.topic)
    try:
        body = {"os-migrateLive": {"host": "h2", "block_migration": "auto"}}
        answer = connect(cloud).compute.post(f"/servers/{identity('a')}/action", json=body)
        assert answer.status_code == 202
        deadline = time.monotonic() + 30
        while ARRIVED not in hearing.story(identity("a")):
            assert time.monotonic() < deadline, hearing.story(identity("a"))
            time.sleep(0.05)
    finally:
        hearing.close()
