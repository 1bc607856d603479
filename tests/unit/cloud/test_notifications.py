"""What notifications say, and where they come from."""

from __future__ import annotations

from typing import Any

import pytest

from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.notifications import Endpoint, NotificationSettings, broker_hosts, instance_of
from vmpath_service.model.errors import InvalidInput

DATA = {"nova_object.name": "InstanceActionPayload", "nova_object.data": {"uuid": "x", "host": "a"}}


@pytest.mark.parametrize(
    ("event_type", "payload", "expected"),
    [
        ("instance.live_migration_post.end", DATA, "x"),
        ("instance.update", DATA, "x"),
        ("instance.delete.end", DATA, "x"),
        ("compute_task.migrate_server.error", {"nova_object.data": {"instance_uuid": "x", "state": "active"}}, "x"),
        ("instance.exists", DATA, None),
        ("service.update", DATA, None),
        ("compute.instance.update", {"instance_id": "x"}, None),
        ("instance.update", {}, None),
        ("instance.update", "x", None),
        (None, DATA, None),
        ("instance.update", {"nova_object.data": {"uuid": 7}}, None),
    ],
)
def test_the_instance_of_a_notification(event_type: str | None, payload: Any, expected: str | None) -> None:
    assert instance_of(event_type, payload) == expected


def test_what_comes_together_is_told_but_for_what_makes_no_sense() -> None:
    changes = Changes()
    odd: list[dict[str, Any]] = [{"event_type": None, "payload": 7}, {"event_type": "instance.update", "payload": []}]
    payloads = [{"nova_object.data": {"uuid": name}} for name in "xyx"]
    Endpoint(changes).info([*odd, *({"event_type": "instance.update", "payload": each} for each in payloads), *odd])
    assert changes.since(0) == {"x", "y"}
    assert changes.mark() == 2


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rabbit://u:p@one:5671,u:p@two/nova?ssl=true", (("one", 5671), ("two", 5672))),
        ("rabbit://[::1]:1/", (("::1", 1),)),
        ("fake://", ()),
        ("kombu+memory:///", ()),
    ],
)
def test_where_the_broker_is(url: str, expected: tuple[tuple[str, int], ...]) -> None:
    assert broker_hosts(NotificationSettings(url)) == expected


@pytest.mark.parametrize("url", ["rabbit", "amqp1://u:sekret@h/", "rabbit://u:sekret@h:port/", "rabbit:///"])
def test_an_address_that_cannot_be_one_is_refused_and_not_said(url: str) -> None:
    with pytest.raises(InvalidInput, match="transport_url") as caught:
        broker_hosts(NotificationSettings(url))
    assert "sekret" not in str(caught.value)
    assert "sekret" not in repr(NotificationSettings(url))
