"""Plans as pictures in text: what each says, what fits into it, and how names are made to fit."""

from __future__ import annotations

import msgspec
import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import HostStep
from vmpath_service.pathfinder import PathSettings, find_path
from vmpath_service.report.cells import clipped, folded_lines, plain, short_names, width
from vmpath_service.report.frames import Animation, Frame

LONG = "compute-rack07-row12-frankfurt-{:02}.example.internal.net"


def frames(snapshot, wanted, *, columns=80, lines=30, by_wave=False, plan=None) -> list[Frame]:
    settings = PathSettings(departures=True)
    plan = plan or find_path(compile_cloud(snapshot), wanted, settings, snapshot_identity="")
    shown = Animation(snapshot, plan, of_class="MEMORY_MB", columns=columns, lines=lines, by_wave=by_wave)
    return list(shown.frames())


@pytest.fixture
def busy():
    """A host that boots, one that comes and one that goes, and who goes where."""
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10},
        {"gone": ("a", 4), "x": ("b", 6), "y": ("a", 5), "new": (None, 3)},
        off=["c"],
        disabled=["b"],
    )
    return snapshot, target(gone=None, x="c", new="a")


@pytest.mark.parametrize("by_wave", [False, True])
def test_all_that_happens_has_its_picture(busy, by_wave):
    shown = frames(*busy, by_wave=by_wave)
    titles = [frame.title for frame in shown]
    assert titles[0].startswith("start: 1 migration, 1 wave, 120.")
    assert titles[1:3] == ["first: 1 instance deleted or shelved by then", "power-on c, 0.0 to 120.0 s"]
    assert titles[4:] == ["last: 1 instance to be placed", "end: 1 of 1 migration done"]
    assert shown[1].steps == ("  gone leaves a",)
    assert shown[4].steps == ("  new -> a",)
    # held until it is gone, off until it is on, to be there before it is there
    marks = [[set(bar.split()[1]) for bar in frame.bars] for frame in shown]
    assert (marks[0][0], marks[1][0], marks[2][0]) == (set("#."), set("#<."), set("#."))
    assert [frame.bars[2].split()[3:] for frame in shown[:3]] == [["off"], ["off"], []]
    assert (marks[4][0], marks[5][0]) == (set("#>."), set("#."))


def test_host_steps_come_where_the_plan_has_them(busy):
    snapshot, wanted = busy
    plan = find_path(compile_cloud(snapshot), wanted, PathSettings(departures=True), snapshot_identity="")
    off = HostStep(id=9, host="b", action="power-off", after=(2,), start_s=130.0, end_s=140.0)
    longer = msgspec.structs.replace(plan, host_steps=(*plan.host_steps, off))
    for by_wave in (False, True):
        shown = frames(snapshot, wanted, plan=longer, by_wave=by_wave)
        assert shown[4].title == "power-off b, 130.0 to 140.0 s"
        assert [frame.bars[1].split()[3:] for frame in shown[3:5]] == [["disabled"], ["off"]]


def test_a_picture_keeps_to_its_size_whatever_the_names_are():
    hosts = {LONG.format(number): 10 for number in range(40)} | {"計算機-ノード-零壱-東京第二データセンター": 20}
    names = list(hosts)
    instances = {f"データベース-{'長' * 60}-{number}": (names[number], 6) for number in range(40)}
    wanted = target(**{f"データベース-{'長' * 60}-0": names[1], f"データベース-{'長' * 60}-1": names[0]})
    for columns, lines in ((80, 20), (60, 16), (50, 8), (120, 36)):
        for frame in frames(cloud(hosts, instances), wanted, columns=columns, lines=lines):
            text = frame.text().splitlines()
            assert len(text) <= lines
            assert max(map(width, text)) <= columns
            # the hosts that take part can be told apart
            assert len({bar.split()[0] for bar in frame.bars}) == len(frame.bars)
    moving = [frame for frame in frames(cloud(hosts, instances), wanted, lines=12) if frame.title[0] == "m"]
    assert all(sum("<" in bar or ">" in bar for bar in frame.bars) == 2 for frame in moving)


def test_of_a_wave_with_many_the_rest_is_counted():
    hosts = {f"h{number:02}": 10 for number in range(40)}
    instances = {f"x{number:02}": (f"h{number:02}", 1) for number in range(20)}
    wanted = target(**{f"x{number:02}": f"h{39 - number:02}" for number in range(20)})
    wave = frames(cloud(hosts, instances), wanted, lines=20, by_wave=True)[1]
    assert wave.title == "wave 1 of 1: 20 migrations at once, 0 done before"
    assert wave.bars[-1] == f"({40 - len(wave.bars) + 1} more hosts, {40 - len(wave.bars) + 1} of them busy)"
    assert wave.steps[-1] == f"  (and {20 - len(wave.steps) + 1} more)"


def test_what_is_nearly_full_is_not_shown_as_full():
    snapshot = cloud({"a": 1000, "b": 1000}, {"x": ("a", 999), "y": ("b", 1000)})
    assert [bar[-4:] for bar in frames(snapshot, target())[0].bars] == [" 99%", "100%"]


def test_instances_of_one_name_are_told_apart():
    of_instance = {uuid: {"name": "web"} for uuid in ("11111111-a", "22222222-b")} | {"z": {"name": "db"}}
    instances = {"11111111-a": ("a", 1), "22222222-b": ("a", 1), "z": ("a", 1)}
    snapshot = cloud({"a": 10, "b": 10}, instances, of_instance=of_instance)
    shown = frames(snapshot, target(**{"11111111-a": "b", "z": "b"}))
    assert {frame.steps[0] for frame in shown[1:3]} == {"  web (11111111): a -> b, 1 MiB", "  db: a -> b, 1 MiB"}


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["a", "b"], ["a", "b"]),
        ([LONG.format(1), LONG.format(22), "c"], ["compute-r~nkfurt-01", "compute-r~nkfurt-22", "c"]),
        (["compute-1.example.internal.net", "c"], ["compute-1", "c"]),
        # without their domain they would be alike
        (["host-1.a-datacentre.net", "host-1.b-datacentre.net"], ["host-1.a-~entre.net", "host-1.b-~entre.net"]),
        (["x" * 30 + "1" + "y" * 15, "x" * 30 + "2" + "y" * 15], ["xx~1" + "y" * 15, "xx~2" + "y" * 15]),
    ],
)
def test_names_that_are_too_wide_stay_different(names, shown):
    short = short_names(names, 19)
    assert all(width(each) <= 19 for each in short.values())
    assert len(set(short.values())) == len(names)
    assert list(short.values()) == shown


def test_columns_are_what_a_terminal_shows():
    assert [width(text) for text in ("abc", "größe", "計算機", "e\u0301", "")] == [3, 5, 6, 1, 0]
    assert clipped("計算機-ノード", 6) == "計算~"
    assert plain("a\x1b[31mb\u202ec\tü計") == "a?[31mb?c?ü計"
    lines = list(folded_lines("  " + "計算機 " * 20 + "x" * 50, 30))
    assert max(map(width, lines)) <= 30
    assert "".join("".join(lines).split()) == "計算機" * 20 + "x" * 50
    assert lines[0].startswith("  計")
    assert all(line.startswith("      ") for line in lines[1:])
