"""``path animate``, ``debug``, ``demo``, ``draw``, ``repl``, ``soak``, ``test``: what they show in a pipe."""

from __future__ import annotations

import io
import json
import pathlib
import subprocess
import sys
import time
import xml.dom.minidom
from collections.abc import Callable

import msgspec
import pytest

from tests.clouds import cloud, target
from tests.unit.cli.conftest import Outcome
from vmpath_service.model import files
from vmpath_service.model.plan import Plan

Run = Callable[..., Outcome]
SCENARIOS = pathlib.Path(__file__).parents[2] / "scenarios"


@pytest.fixture
def swap(vmpath: Run, tmp_path: pathlib.Path) -> list[str]:
    """A snapshot, its target, and their plan of three migrations."""
    snapshot, wanted, plan = (str(tmp_path / f"{name}.json") for name in ("cloud", "target", "plan"))
    files.save(cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 8), "s": ("c", 1)}), snapshot)
    files.save(target(x="b", y="a"), wanted)
    assert vmpath("path", "find", "--snapshot", snapshot, "--target", wanted, "-o", plan).status == 0
    return ["--snapshot", snapshot, "--target", wanted, "--plan", plan]


def pictures(out: str) -> list[list[str]]:
    return [picture.splitlines() for picture in out.strip().split("\n\n")]


def test_a_plan_moves_picture_by_picture(vmpath: Run, swap: list[str]) -> None:
    shown = vmpath("path", "animate", *swap[:2], *swap[4:])
    assert (shown.status, shown.err) == (0, "")
    frames = pictures(shown.out)
    assert [frame[0] for frame in frames] == [
        "start: 3 migrations, 3 waves, 0.3 s; bars: MEMORY_MB",
        "migration 1 of 3, wave 1, 0.0 to 0.1 s",
        "migration 2 of 3, wave 2, 0.1 to 0.2 s",
        "migration 3 of 3, wave 3, 0.2 to 0.3 s",
        "end: 3 of 3 migrations done",
    ]
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    first = {line.split()[0]: line.split()[1:] for line in frames[1][1:4]}
    assert [first[host][1] for host in "abc"] == ["60%", "80%", "70%"]
    # x is on its way from a to c: it counts at both ends
    assert (set(first["a"][0]), set(first["b"][0]), set(first["c"][0])) == (set("<."), set("#."), set("#>."))
    assert frames[1][4:] == ["  x: a -> c, 6 MiB", "  why: makes room on a before it goes to b", "  next: y: b -> a"]
    assert frames[2][5:] == ["  waits for x to c", "  next: x: c -> b"]
    last = [line.split()[-1] for line in frames[-1][1:]]
    assert last == ["80%", "60%", "10%"]


def test_waves_and_other_classes(vmpath: Run, swap: list[str]) -> None:
    shown = vmpath("path", "animate", *swap[:2], *swap[4:], "--waves")
    assert "wave 2 of 3: 1 migration at once, 1 done before\n" in shown.out
    wrong = vmpath("path", "animate", *swap[:2], *swap[4:], "--resource-class", "DISK_GB")
    assert (wrong.status, wrong.err) == (2, "vmpath: no host has any DISK_GB; the snapshot has MEMORY_MB\n")


@pytest.mark.parametrize("command", ["animate", "draw"])
def test_a_plan_of_another_cloud(vmpath: Run, swap: list[str], tmp_path: pathlib.Path, command: str) -> None:
    other = str(tmp_path / "other.json")
    files.save(cloud({"a": 10}, {"x": ("a", 6)}), other)
    more = ["-o", str(tmp_path / "plan.svg")] if command == "draw" else []
    refused = vmpath("path", command, "--snapshot", other, *swap[4:], *more)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.splitlines()[-1] == (
        f"vmpath: {swap[5]} at /migrations/0/dest: found host 'c', which {other} does not have"
    )


def test_what_is_tried_is_told(vmpath: Run, swap: list[str]) -> None:
    told = vmpath("path", "debug", *swap[:4])
    assert told.status == 0
    lines = told.out.splitlines()
    assert lines[1:4] == [
        "rehearse: start whatever may start, break deadlocks",
        "  after 0 moves, 2 are stuck",
        "    x steps aside from a to c",
    ]
    assert "  1: x a -> c  (makes room on a before it goes to b)" in lines
    assert vmpath("path", "debug", *swap[:4], "--objective", "cost", "--strategy", "exact").status == 0


def test_a_demonstration_can_be_seen_again(vmpath: Run) -> None:
    shown = vmpath("path", "demo", "--seed", "11", "--hosts", "4")
    assert shown.status == 0
    assert shown.err.startswith("seed 11: ")
    assert vmpath("path", "demo", "--seed", "11", "--hosts", "4").out == shown.out
    assert vmpath("path", "demo", "--count", "2").err.count("seed ") == 2
    assert vmpath("path", "demo", "--hosts", "1").status == 2


def test_a_picture_shows_the_critical_path(vmpath: Run, swap: list[str], tmp_path: pathlib.Path) -> None:
    picture = tmp_path / "plan.svg"
    assert vmpath("path", "draw", *swap[:2], *swap[4:], "-o", str(picture)) == Outcome(0, "", "")
    drawn = xml.dom.minidom.parse(str(picture))
    bars = [bar.getAttribute("class") for bar in drawn.getElementsByTagName("rect")]
    # each migration at both ends; all three one after the other, so all are critical where they arrive
    assert sorted(bars) == ["bypass critical", "come critical", "come critical", "go", "go", "go"]
    page = tmp_path / "plan.html"
    assert vmpath("path", "draw", *swap[:2], *swap[4:], "-o", str(page)).status == 0
    assert page.read_text().count("<tr><td>") == 3
    assert "http://www.w3.org/2000/svg" in page.read_text()
    assert page.read_text().count("http") == 1  # it refers to nothing elsewhere
    wrong = vmpath("path", "draw", *swap[:2], *swap[4:], "-o", "plan.png")
    assert (wrong.status, wrong.err) == (2, "vmpath: -o plan.png: expected a name that ends in .svg or .html\n")


def test_a_picture_can_be_read_whatever_the_names_and_reasons_are(
    vmpath: Run, swap: list[str], tmp_path: pathlib.Path
) -> None:
    found: Plan = files.load_plan(swap[5])
    odd = [msgspec.structs.replace(each, reason="<&\x00\x1b[2J\uffff") for each in found.migrations]
    path = str(tmp_path / "odd.json")
    files.save(msgspec.structs.replace(found, migrations=tuple(odd)), path)
    picture = tmp_path / "plan.svg"
    assert vmpath("path", "draw", *swap[:2], "--plan", path, "-o", str(picture)).status == 0
    titles = xml.dom.minidom.parse(str(picture)).getElementsByTagName("title")
    assert any("; <&??[2J?" in title.firstChild.nodeValue for title in titles)


@pytest.fixture
def repl(vmpath: Run, swap: list[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    def run(*lines: str) -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
        return vmpath("path", "repl", *swap[:4])

    return run


def test_moving_by_hand(repl: Run, vmpath: Run, swap: list[str], tmp_path: pathlib.Path) -> None:
    plan, wanted = str(tmp_path / "mine.json"), str(tmp_path / "my-target.json")
    done = repl("move x b", "move x c", "undo", "move x c", "todo", "solve", "todo", f"save {plan}", f"save {wanted}")
    assert done.out.splitlines() == [
        "no: b has 2 MEMORY_MB free, 6 are asked for",
        "x: a -> c; 2 to go",
        "x is back on a",
        "x: a -> c; 2 to go",
        "  x (6 MEMORY_MB) on c, meant to be on b",
        "  y (8 MEMORY_MB) on b, meant to be on a",
        "  y: b -> a",
        "  x: c -> b",
        "found: 2 migrations, done",
        "everybody is where it is meant to be",
        f"saved in {plan}",
        f"saved in {wanted}",
    ]
    assert done.status == 1  # one of the commands was refused
    assert vmpath("path", "check", *swap[:2], "--plan", plan).status == 0
    assert files.load_placement(wanted).placement == {"x": "b", "y": "a", "s": "c"}


def test_commands_that_make_no_sense(repl: Run) -> None:
    senseless = ("fly x", "move x", "move nobody a", "move x nowhere", "undo", "move x a", "save /nowhere/x.json")
    done = repl(*senseless, "quit", "fly again")
    assert [line.partition(": ")[0] for line in done.out.splitlines()] == ["no"] * 7
    assert "there is no command 'fly'" in done.out
    assert "expected: move INSTANCE HOST" in done.out
    assert "x is on a already" in done.out
    fine = repl("# a comment", "", "why x c", "goal s a", "where s", "show", "show c", "moves", "help")
    assert fine.status == 0
    assert fine.out.splitlines()[:2] == ["it may go there", "s is meant to be on a"]
    assert "s (1 MEMORY_MB) on c, meant to be on a" in fine.out


def test_instances_of_one_name_are_told_by_their_uuids(
    vmpath: Run, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = str(tmp_path / "cloud.json")
    of_instance = {"x": {"name": "web"}, "y": {"name": "web"}, "z": {"name": "db"}}
    guests = dict.fromkeys(of_instance, ("a", 1))
    files.save(cloud({"a": 10, "b": 10}, guests, of_instance=of_instance), snapshot)
    monkeypatch.setattr("sys.stdin", io.StringIO("move web b\nmove x b\nmove db b\nmoves\n"))
    assert vmpath("path", "repl", "--snapshot", snapshot).out.splitlines() == [
        "no: 2 instances are called 'web', take a uuid: x, y",
        "x: a -> b",
        "db: a -> b",
        "  web (x): a -> b",
        "  db: a -> b",
    ]
    monkeypatch.setattr("sys.stdin", None)
    assert vmpath("path", "repl", "--snapshot", snapshot) == Outcome(0, "", "")


def test_soak_reports(vmpath: Run, tmp_path: pathlib.Path) -> None:
    done = vmpath("path", "soak", "--count", "6", "--jobs", "1", "--hosts", "3", "--directory", str(tmp_path))
    assert done.status == 0
    assert done.out.startswith("6 clouds in ")
    assert ", 0 disagreements; " in done.out.splitlines()[0]
    assert sum(line.startswith("  seed ") for line in done.out.splitlines()) == 5
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    refused = vmpath("path", "soak", "--directory", str(tmp_path / "file" / "below"))
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.endswith("file/below cannot be made: Not a directory\n")


def test_soak_makes_its_directory_and_takes_its_trials_along_when_it_is_ended(tmp_path: pathlib.Path) -> None:
    program = "import sys; from vmpath_service.cmd.vmpath import main; sys.exit(main(sys.argv[1:]))"
    words = ["path", "soak", "--jobs", "1", "--minutes", "2", "--directory", str(tmp_path / "new" / "one")]
    with subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True) as soak:
        children = pathlib.Path(f"/proc/{soak.pid}/task/{soak.pid}/children")
        # the tracker of semaphores, and the trials
        assert until(lambda: len(children.read_text().split()) > 1)
        trials = [int(child) for child in children.read_text().split()]
        soak.terminate()
        _, told = soak.communicate(timeout=60)
    assert soak.returncode == 143
    assert "Traceback" not in told
    assert until(lambda: not any(alive(child) for child in trials))
    assert (tmp_path / "new" / "one").is_dir()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def alive(process: int) -> bool:
    try:
        return "Z" not in pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_our_scenarios(vmpath: Run) -> None:
    done = vmpath("path", "test", str(SCENARIOS))
    assert done.status == 0, done.out
    count = len(list(SCENARIOS.glob("*.json")))
    assert done.out.endswith(f"{count} of {count} as expected\n")


def test_a_scenario_that_comes_out_otherwise(vmpath: Run, tmp_path: pathlib.Path) -> None:
    scenario = json.loads((SCENARIOS / "swap-with-room.json").read_text())
    wrong = {**scenario, "expect": {"outcome": "found", "migrations": 2, "moves": []}}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    (tmp_path / "none.json").write_text(json.dumps({**scenario, "expect": {"outcome": "infeasible"}}))
    (tmp_path / "snapshot.json").write_text("{}")  # no scenario
    done = vmpath("path", "test", str(tmp_path))
    assert done.status == 1
    assert "migrations is 3, expected 2" in done.out
    assert "the outcome is found, expected infeasible" in done.out
    assert done.out.endswith("0 of 2 as expected\n")
    for document, sentence in (
        ({**scenario, "expect": {"outcome": "fine"}}, "wrong.json"),
        ({**scenario, "colour": 1, "expect": {}}, "colour"),
        ({**scenario, "snapshot": {"hosts": [], "instances": []}}, "there is no host in the cloud"),
    ):
        (tmp_path / "wrong.json").write_text(json.dumps(document))
        refused = vmpath("path", "test", str(tmp_path))
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert sentence in refused.err
    assert vmpath("path", "test", str(tmp_path / "nowhere")).status == 2


def test_a_plan_that_is_empty_has_pictures_too(vmpath: Run, swap: list[str], tmp_path: pathlib.Path) -> None:
    found: Plan = files.load_plan(swap[5])
    empty = msgspec.structs.replace(found, migrations=(), outcome="infeasible", explanation="so it is")
    path = str(tmp_path / "empty.json")
    files.save(empty, path)
    shown = vmpath("path", "animate", *swap[:2], "--plan", path)
    assert (shown.status, shown.err) == (0, "infeasible: so it is\n")
    assert pictures(shown.out) == [
        [
            "infeasible: no migrations; bars: MEMORY_MB",
            f"a {'#' * 43}{'.' * 29}  60%",
            f"b {'#' * 58}{'.' * 14}  80%",
            f"c {'#' * 7}{'.' * 65}  10%",
            "so it is",
        ]
    ]
    assert vmpath("path", "draw", *swap[:2], "--plan", path, "-o", str(tmp_path / "p.html")).status == 0
