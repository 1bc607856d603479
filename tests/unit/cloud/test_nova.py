from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from tests.unit.cloud.canned import Canned
from vmpath_service.cloud.api import Api
from vmpath_service.cloud.microversions import Microversions
from vmpath_service.cloud.nova import Nova
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import CloudDenied, NoDecision

# Of a server whose cell does not answer, Nova shows no more than this.
SILENT = {"id": "x", "status": "UNKNOWN", "tenant_id": "p", "created": "2026-11-20T19:09:48Z", "links": []}


def nova(answers: dict[str, Any], **settings: Any) -> tuple[Nova, Canned]:
    canned = Canned(answers)
    return Nova(cast(Api, canned), Microversions(100, 39), CloudSettings(workers=1, **settings)), canned


def page(after: str | None, *identities: str) -> dict[str, Any]:
    """Servers, and a link to what comes after the last of them."""
    shown: dict[str, Any] = {"servers": [{"id": each, "status": "ACTIVE"} for each in identities]}
    if after is not None:
        shown["servers_links"] = [{"rel": "next", "href": f"http://nova/servers/detail?limit=2&marker={after}"}]
    return shown


def test_pages_are_followed_to_the_end() -> None:
    reader, canned = nova(
        {
            "/servers/detail": page("b", "a", "b"),
            "/servers/detail after b": page("d", "c", "d"),
            "/servers/detail after d": page(None),
        }
    )
    assert list(reader.servers()) == ["a", "b", "c", "d"]
    assert len(canned.asked) == 3


def test_a_page_that_repeats_itself_is_no_list() -> None:
    reader, _ = nova({"/servers/detail": page("b", "a", "b"), "/servers/detail after b": page("b", "a", "b")})
    with pytest.raises(NoDecision, match="repeats its page after b"):
        reader.servers()


def test_servers_of_a_cell_that_does_not_answer_stop_everything() -> None:
    reader, _ = nova({"/servers/x": {"server": SILENT}, "/servers/detail": {"servers": [SILENT]}})
    with pytest.raises(NoDecision, match="server x is unknown"):
        reader.server("x")
    with pytest.raises(NoDecision, match="server x is unknown"):
        reader.servers()
    assert reader.server("gone") is None


def test_a_hidden_group_is_told_apart_from_a_deleted_one() -> None:
    shown = {"servers": [{"id": "x", "status": "ACTIVE", "scheduler_hints": {"group": ["g"]}}]}
    deleted, _ = nova({"/servers/detail": shown})
    deleted.check_groups(deleted.servers().values(), ())
    hidden, _ = nova({"/servers/detail": shown, "/os-server-groups/g": {"server_group": {"id": "g"}}})
    with pytest.raises(CloudDenied, match="server group g of server x was not listed"):
        hidden.check_groups(hidden.servers().values(), ())


def test_new_records_are_found_though_they_have_no_time_of_a_change() -> None:
    """The newest pages reach back to the moment; what is older is in the list of changes only."""
    made = {"created_at": "2026-11-20T19:10:00.000000"}
    long_ago = {"created_at": "2026-11-20T19:00:00.000000"}
    link = [{"rel": "next", "href": "http://nova/os-migrations?marker=u2"}]
    reader, canned = nova({})
    pages = [
        {"migrations": [{"id": 9, "status": "accepted"} | made], "migrations_links": link},
        {"migrations": [{"id": 8, "status": "error"} | long_ago], "migrations_links": link},
        {"migrations": [{"id": 2, "status": "completed"} | long_ago]},
    ]
    asked: list[Any] = []

    def get(path: str, answer: type[Any], *, microversion: str, parameters: Any) -> Any:
        asked.append(parameters)
        return msgspec.convert(pages[len(asked) - 1], answer)

    canned.get = get  # type: ignore[method-assign,assignment]
    moment = datetime(2026, 11, 20, 19, 9, tzinfo=UTC).timestamp()
    assert {each.id for each in reader.migrations_made(moment)} == {9, 8}
    assert {each.id for each in reader.migrations_changed(moment)} == {2}
    assert ["changes-since" in each for each in asked] == [False, False, True]
    assert asked[2]["changes-since"] == "2026-11-20T19:09:00Z"
