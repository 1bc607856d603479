"""The page about a rearrangement."""

from __future__ import annotations

import html.parser
from typing import Any

import pytest

from vmpath_service.model.plan import Migration, Plan, Summary
from vmpath_service.report import charts, rearrangement
from vmpath_service.report.accounts import HostAccount, accounts
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
    headings = (
        *("What went wrong", "Risks", "Left where they are", "As predicted", "As it went", "What each migration"),
        *("Timeline", "Why instances move", "What happened"),
    )
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
        # a switch to post-copy is in flight, and what a new plan replaced does not come any more
        ({1: "switching to post-copy", 2: "replaced"}, {"a": 1024, "b": 2048, "c": 0}, {"a": 0, "b": 3072, "c": 0}),
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


def test_a_page_of_many_hosts_stays_small_and_says_what_it_leaves_out() -> None:
    """10,000 hosts, of which 2,000 change: counts of all, and those that change most."""
    hosts = [host(f"h{number}", 4096, 4) for number in range(10_000)]
    moves = tuple(
        Migration(number + 1, f"i{number}", f"h{number}", f"h{number + 1}", end_s=2.0, memory_mb=1024, reason="full")
        for number in range(0, 2000, 2)
    )
    plan = Plan("found", {}, "sha256:x", migrations=moves, summary=Summary(migrations=1000, makespan_s=2.0))
    migrations = [stood(step.id, "done", 0, 3) if step.id % 10 else stood(step.id, "failed", 0, 3) for step in moves]
    events = [{"at": AT.format(1), "message": f"number {number}"} for number in range(2000)]
    page = rearrangement.html(subject(plan=plan, migrations=migrations, hosts=hosts, instances=[], events=events))
    read = Reader(page)
    assert len(page) < 700_000
    assert "2,000 hosts change, 300 of them here; 8,000 do not" in read.text
    assert "2,000 events, the last 500 of them here" in read.text
    assert "number 1999" in read.text
    assert "1,000 migrations" in read.text
    assert "details" in read.tags


def test_what_is_said_of_many_is_said_once() -> None:
    said = [("it is locked", f"i{number}", 1) for number in range(70)] + [("it is stopped", "x", 5)]
    locked, stopped = rearrangement._grouped(said)
    assert (locked.count, len(locked.members), locked.more, locked.memory_mb) == (70, 50, 20, 70)
    assert (stopped.members, stopped.more) == (("x",), 0)
    every = rearrangement._grouped((f"reason {number}", "i", 1) for number in range(60))
    assert (len(every), every[-1].said, every[-1].count) == (51, "10 other reasons", 10)


def test_reasons_are_grouped_without_names_and_figures() -> None:
    one = Migration(1, "i", "compute-1", "compute-2", reason="compute-1 is filled to 93.5 %, compute-2 to 40 %")
    assert rearrangement._general(one, one.reason or "") == "its host is filled to … %, its destination to … %"


def test_hosts_are_counted_by_how_full_they_are() -> None:
    found = [
        HostAccount("a", 100, 100, 0, 1, 0),
        HostAccount("b", 100, 10, 11, 1, 1),
        HostAccount("c", 100, 95, 101, 1, 1),
    ]
    rows = {row.label: (row.before, row.after) for row in charts.fullness(found) if row.before or row.after}
    assert rows == {"empty": (0, 1), "up to 10 %": (1, 0), "up to 20 %": (0, 1), "up to 100 %": (2, 0), "over": (0, 1)}


def test_a_long_curve_keeps_its_ends() -> None:
    points = [(float(number), float(number)) for number in range(10_001)]
    thin = charts.thinned(points)
    assert (len(thin), thin[0], thin[-1]) == (charts.MOST_POINTS, points[0], points[-1])
    assert charts.curves([("one", points[:1])], "s") == ""


@pytest.mark.parametrize(("seconds", "said"), [(12.4, "12 s"), (299, "299 s"), (300, "5 min"), (9000, "2 h 30 min")])
def test_durations(seconds: float, said: str) -> None:
    assert rearrangement.lasts(seconds) == said
