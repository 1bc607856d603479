from __future__ import annotations

from typing import Any, cast

import pytest

from tests.unit.cloud.canned import Canned
from tests.unit.cloud.shapes import server
from vmpath_service.cloud.api import Api
from vmpath_service.cloud.microversions import Microversions
from vmpath_service.cloud.nova import Nova
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.cloud.shares import Shares, may_have_shares
from vmpath_service.model.errors import CloudDenied

FILES = ("COMPUTE_STORAGE_VIRTIO_FS", "COMPUTE_MEM_BACKING_FILE")
TRAITS = {"compute3": FILES}
SOME = {"shares": [{"share_id": "s", "status": "active", "tag": "s"}]}


def nova(minor: int = 100, **answers: Any) -> tuple[Nova, Canned]:
    canned = Canned({f"/servers/{uuid}/shares": answer for uuid, answer in answers.items()})
    return Nova(cast(Api, canned), Microversions(minor, 39), CloudSettings(workers=1)), canned


@pytest.mark.parametrize(
    ("traits", "specs", "may"),
    [
        (FILES, {}, True),
        (FILES[:1], {"hw:mem_page_size": "large"}, True),
        (FILES[:1], {}, False),
        (FILES[1:], {"hw:mem_page_size": "large"}, False),
        ((), {}, False),
    ],
)
def test_which_servers_nova_would_give_a_share(traits: tuple[str, ...], specs: dict[str, str], may: bool) -> None:
    assert may_have_shares(server(extra_specs=specs), traits) == may


def test_what_was_told_holds_until_the_server_changes() -> None:
    reader, canned = nova(a=SOME, b={"shares": []})
    shares = Shares(reader, 1)
    servers = [server(id="a"), server(id="b"), server(id="stopped", status="SHUTOFF"), server(id="x", host="compute4")]
    for _ in range(2):
        found = shares.holders(servers, TRAITS)
        assert (found.having, found.unknown, found.notes()) == ({"a"}, set(), ())
    assert canned.asked == ["/servers/a/shares", "/servers/b/shares"]
    # it was stopped meanwhile: a share may have been attached
    canned.answers["/servers/b/shares"] = SOME
    changed = [servers[0], server(id="b", updated="2026-11-20T20:00:00Z")]
    assert shares.holders(changed, TRAITS).having == {"a", "b"}
    assert canned.asked[2:] == ["/servers/b/shares"]


def test_only_some_are_asked_for_at_a_time_and_the_rest_is_said_to_be_unknown() -> None:
    reader, canned = nova(a=SOME, b=SOME, c={"shares": []})
    shares = Shares(reader, 1, at_once=2)
    servers = [server(id=each) for each in "cba"]
    first = shares.holders(servers, TRAITS)
    assert (first.having, first.unknown) == ({"a", "b"}, {"c"})
    assert "1 servers may have Manila shares, the first is c" in first.notes()[0]
    second = shares.holders(servers, TRAITS)
    assert (second.having, second.unknown, len(canned.asked)) == ({"a", "b"}, set(), 3)


def test_without_the_right_it_is_said() -> None:
    reader, canned = nova()

    def deny(*_: Any, **__: Any) -> Any:
        raise CloudDenied("Nova does not allow it")

    canned.get = deny  # type: ignore[method-assign]
    found = Shares(reader, 1).holders([server(id="a")], TRAITS)
    assert (found.having, found.unknown) == (set(), {"a"})
    assert "Nova does not show us the shares" in found.notes()[0]


@pytest.mark.parametrize(("minor", "traits"), [(96, TRAITS), (100, {"compute3": ()})])
def test_where_there_can_be_none_nobody_is_asked(minor: int, traits: dict[str, tuple[str, ...]]) -> None:
    reader, canned = nova(minor, a=SOME)
    assert Shares(reader, 1).holders([server(id="a")], traits).having == set()
    assert canned.asked == []
