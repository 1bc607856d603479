"""What genuine Nova's notifications tell vmpath, by way of a genuine RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call, until
from tests.lab.scenario import Wish
from vmpath_service.cloud import broker
from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.kept import OVERLAP_S
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.notifications import NotificationListener, NotificationSettings
from vmpath_service.cloud.rights import Verdict
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.rpc.transport import use_threads


class Listening:
    def __init__(self, lab: NovaLab) -> None:
        use_threads()
        self.changes = Changes()
        self.settings = NotificationSettings(lab.broker_url, topic=lab.notification_topic)
        self.listener = NotificationListener(self.settings, self.changes)
        self.listener.start()
        assert self.listener.wait_until_listening(60)


@pytest.fixture
def listening(clean_lab: NovaLab) -> Iterator[Listening]:
    found = Listening(clean_lab)
    yield found
    found.listener.stop()


def plain(snapshot: Snapshot) -> Snapshot:
    return msgspec.structs.replace(snapshot, taken_at=None)


def test_a_picture_that_is_kept_is_that_of_a_full_reading(clean_lab: NovaLab, listening: Listening) -> None:
    wishes = [Wish(f"x{number}", "lab.tiny", "compute1") for number in range(6)]
    servers = scenario.boot(clean_lab, wishes)
    settings = CloudSettings(cloud="novalab", config_files=(str(clean_lab.clouds_file),), page=2)
    vmpath = NovaCloud(settings, listening.changes)

    def requests() -> int:
        before = vmpath.requests_sent()
        kept = vmpath.read()
        sent = vmpath.requests_sent() - before
        assert plain(kept) == plain(NovaCloud(settings).read())
        return sent

    listed = requests()
    # first what is told late of servers that are gone is looked up, and inventories of another generation are read;
    # what was deleted just before the test is listed among the changes for OVERLAP_S, and two fill a page
    until(lambda: requests() < listed, "a reading that keeps the servers takes fewer requests", 2 * OVERLAP_S)
    mark = listening.changes.mark()
    scenario.live_migrate(clean_lab, servers["x0"], "compute2")
    path = f"/servers/{servers['x1']}"
    call(clean_lab.compute, "POST", f"{path}/metadata", {"metadata": {"vmpath:movable": "no"}})
    call(clean_lab.compute, "DELETE", f"/servers/{servers['x2']}")
    until(lambda: servers["x2"] not in observe.servers(clean_lab), "x2 is deleted")
    until(
        lambda: [each["status"] for each in observe.migrations(clean_lab)] == ["completed"], "x0 has been migrated"
    )
    assert observe.host_of(observe.servers(clean_lab)[servers["x0"]]) == "compute2"
    observe.assert_allocations_match_hosts(clean_lab)
    assert listening.changes.told_of([servers[name] for name in ("x0", "x1", "x2")], mark, 30)
    requests()
    found = {each.name: each for each in vmpath.read().instances}
    assert found["x0"].host == "compute2"
    assert found["x1"].movable == "no"
    assert "x2" not in found


def test_the_broker_is_looked_at_without_taking_anything(clean_lab: NovaLab, listening: Listening) -> None:
    ours = listening.settings
    (found,) = broker.examine(ours)
    assert found.verdict is Verdict.OK, found
    assert f"queue {ours.topic}.info with " in found.details
    elsewhere = NotificationSettings(ours.url, topic="no-such-topic")
    (absent,) = broker.examine(elsewhere)
    assert absent.verdict is Verdict.MISSING
    assert "there is no queue no-such-topic.info" in absent.details
    assert ours.url is not None
    (refused,) = broker.examine(NotificationSettings(ours.url.replace("guest:guest", "guest:wrong")))
    assert refused.verdict is Verdict.MISSING
    assert "does not let us in" in refused.details
    (unread,) = broker.examine_sending(ours.url, ("no-such-topic",))
    assert unread.verdict is Verdict.OK
    assert "there is no queue no-such-topic.info yet" in unread.details
    (told,) = broker.examine_sending(ours.url, (ours.topic,))
    assert told.verdict is Verdict.OK
    assert "1 listening" in told.details
    (kept_out,) = broker.examine_sending(ours.url.replace("guest:guest", "guest:wrong"), (ours.topic,))
    assert kept_out.verdict is Verdict.MISSING
    second = Listening(clean_lab)
    try:
        (shared,) = broker.examine(ours)
        assert shared.verdict is Verdict.MISSING
        assert "each misses what another takes" in shared.details
    finally:
        second.listener.stop()
