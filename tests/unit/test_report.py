"""The page about a rearrangement."""

from __future__ import annotations

import html.parser
from typing import Any

import pytest

from vmpath_service.model.plan import Migration, Plan, Summary
from vmpath_service.report import rearrangement
from vmpath_service.report.accounts import accounts
from vmpath_service.report.rearrangement import Subject, as_it_went

EVIL = '<script>alert("x")</script>'
TAKES = {"i1": {"MEMORY_MB": 1024}, "i2": {"MEMORY_MB": 2048}}
AT = "2026-11-21T10:00:{:02}.000Z"


def host(name: str, used: int, instances: int) -> dict[str, Any]:
    return {"name": name, "capacity": {"MEMORY_MB": 8192}, "used": {"MEMORY_MB": used}, "instances": instances}


def plan() -> Plan:
    moves = (
        Migration(1, "i1", "a", "b", end_s=2.0, memory_mb=1024, reason=f"makes room {EVIL}"),
        Migration(2, "i2", "b", "c", after=(1,), start_s=2.0, end_s=4.0, memory_mb=2048, reason="does not converge"),
    )
    summary = Summary(migrations=2, memory_mb=3072, makespan_s=4.0)
    return Plan("found", {}, "sha256:x", policy=EVIL, migrations=moves, summary=summary)


def stood(step: int, state: str, begun: int | None = None, ended: int | None = None) -> dict[str, Any]:
    return {
        "step": step,
        "state": state,
        "intended_at": None if begun is None else AT.format(begun),
        "ended_at": None if ended is None else AT.format(ended),
        "reason": f"Nova said {EVIL}" if state == "failed" else None,
    }


def subject(**changes: Any) -> Subject:
    record = {
        "id": "r1",
        "policy": EVIL,
        "state": "failed",
        "created_at": AT.format(0),
        "updated_at": AT.format(9),
        "explanation": EVIL,
        "summary": {},
        "decision": {
            "before": {"value": 3, "unit": "hosts", "terms": {}},
            "after": {"value": 2, "unit": "hosts", "terms": {}},
            "leftovers": [{"instance": EVIL, "host": "a", "reason": EVIL}],
            "notes": [EVIL],
            "curve": [{"migrations": 0, "memory_mb": 0, "score": 3}, {"migrations": 2, "memory_mb": 3072, "score": 2}],
        },
    }
    values = {
        "record": record,
        "plan": plan(),
        "migrations": [stood(1, "done", 0, 3), stood(2, "failed", 4, 5)],
        "events": [{"at": AT.format(1), "message": EVIL}],
        "hosts": [host("a", 1024, 1), host("b", 3072, 2), host("c", 0, 0)],
        "instances": [{"uuid": "i1", "name": EVIL, "resources": TAKES["i1"]}],
    }
    return Subject(**(values | changes))


class Reader(html.parser.HTMLParser):
    """Collects tags and text, and refuses what does not fit together."""

    VOID = frozenset(("meta", "br", "hr", "img", "link", "line", "rect", "path", "polyline"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.links: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_no_name_gets_a_word_in_the_page() -> None:
    page = rearrangement.html(subject())
    read = Reader(page)
    assert "script" not in read.tags
    assert EVIL in read.text
    assert read.links == []


def test_the_page_says_what_there_is_to_say() -> None:
    read = Reader(rearrangement.html(subject()))
    headings = ("What went wrong", "Risks", "Left where they are", "As predicted", "As it went", "What each migration")
    assert all(said in read.text for said in headings)


def test_the_page_has_what_hosts_hold_before_and_after() -> None:
    found = rearrangement._accounts(subject(migrations=[]))
    assert [(each.name, each.before, each.after) for each in found] == [
        ("a", 1024, 0),
        ("b", 3072, 2048),
        ("c", 0, 2048),
    ]


def test_before_a_plan_there_is_a_page_too() -> None:
    record = dict(subject().record) | {"decision": None, "state": "planning", "explanation": None}
    read = Reader(rearrangement.html(subject(record=record, plan=None, migrations=[], events=[])))
    assert "There is no plan" in read.text
    assert "Migrations" not in read.text


@pytest.mark.parametrize(
    ("states", "before", "after"),
    [
        # nothing done: now is before
        ({}, {"a": 1024, "b": 3072, "c": 0}, {"a": 0, "b": 2048, "c": 2048}),
        # all done: now is after
        ({1: "done", 2: "done"}, {"a": 2048, "b": 4096, "c": -2048}, {"a": 1024, "b": 3072, "c": 0}),
        # the first is in flight: it is counted at both ends now
        ({1: "running"}, {"a": 1024, "b": 2048, "c": 0}, {"a": 0, "b": 1024, "c": 2048}),
        # the second came to nothing
        ({1: "done", 2: "failed"}, {"a": 2048, "b": 2048, "c": 0}, {"a": 1024, "b": 3072, "c": 0}),
    ],
)
def test_what_hosts_hold_before_and_after(
    states: dict[int, str], before: dict[str, int], after: dict[str, int]
) -> None:
    planned = [
        {"id": step.id, "instance": step.instance, "source": step.source, "dest": step.dest}
        for step in plan().migrations
    ]
    hosts = [host("a", 1024, 1), host("b", 3072, 2), host("c", 0, 0)]
    found = accounts(hosts, planned, states, TAKES, "MEMORY_MB")
    assert {each.name: each.before for each in found} == before
    assert {each.name: each.after for each in found} == after
    assert sum(each.instances_before for each in found) == sum(each.instances_after for each in found) == 3


def test_the_timeline_as_it_went_has_what_has_ended() -> None:
    went = as_it_went(plan(), [stood(1, "done", 2, 5), stood(2, "running", 6)])
    assert went is not None
    assert [(step.id, step.start_s, step.end_s) for step in went.migrations] == [(1, 0.0, 3.0)]
    assert as_it_went(plan(), [stood(1, "running", 2)]) is None
