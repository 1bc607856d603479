"""``vmpath path find``, ``path check`` and ``policy apply``: exit status, output, files."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.clouds import cloud, target
from tests.unit.cli.conftest import Outcome
from vmpath_service.cli.path import _for_people
from vmpath_service.model import files
from vmpath_service.model.placement import Placement
from vmpath_service.model.snapshot import Snapshot

Run = Callable[..., Outcome]


@pytest.fixture
def case(tmp_path: pathlib.Path) -> Callable[[Snapshot, Placement], list[str]]:
    """Arguments for a snapshot and a target."""

    def write(snapshot: Snapshot, placement: Placement) -> list[str]:
        files.save(snapshot, str(tmp_path / "cloud.json"))
        files.save(placement, str(tmp_path / "target.json"))
        return ["--snapshot", str(tmp_path / "cloud.json"), "--target", str(tmp_path / "target.json")]

    return write


SWAP = {"x": ("a", 6), "y": ("b", 6)}
SWAPPED = target(x="b", y="a")


def test_a_path_is_found_and_holds(vmpath: Run, case: Callable[..., list[str]], tmp_path: pathlib.Path) -> None:
    files_given = case(cloud({"a": 10, "b": 10, "c": 10}, SWAP), SWAPPED)
    found = vmpath("path", "find", *files_given, "-f", "json")
    assert found.status == 0
    plan = json.loads(found.out)
    assert (plan["format"], plan["outcome"], plan["limits"]["per_host"]) == ("vmpath-plan/1", "found", 2)
    assert len(plan["migrations"]) == 3
    assert "found: 3 migrations (1 extra, 1 bypasses)" in found.err
    (tmp_path / "plan.json").write_text(found.out)
    checked = vmpath("path", "check", *files_given[:2], "--plan", str(tmp_path / "plan.json"), "-f", "json")
    assert (checked.status, checked.err) == (0, "")
    assert json.loads(checked.out)["holds"] is True


_ON_A_SLOW_DISK = """
import os, sys, time
from vmpath_service.cmd.vmpath import main

def fsync(file):
    print("writing", flush=True)
    time.sleep(60)

os.fsync = fsync
sys.exit(main(sys.argv[1:]))
"""


def test_told_to_end_while_it_writes_it_leaves_nothing_behind(
    case: Callable[..., list[str]], tmp_path: pathlib.Path
) -> None:
    files_given = case(cloud({"a": 10, "b": 10, "c": 10}, SWAP), SWAPPED)
    (tmp_path / "plan.json").write_text("what was there")
    arguments = ["path", "find", *files_given, "-o", str(tmp_path / "plan.json")]
    command = [sys.executable, "-c", _ON_A_SLOW_DISK, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "writing\n"
        assert [each for each in tmp_path.iterdir() if each.name.startswith(".vmpath-")]
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 143
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cloud.json", "plan.json", "target.json"]
    assert (tmp_path / "plan.json").read_text() == "what was there"


def test_a_rate_at_which_nothing_arrives_is_refused(
    vmpath: Run, case: Callable[..., list[str]], tmp_path: pathlib.Path
) -> None:
    big = {"x": ("a", 400_000), "y": ("b", 1)}
    of_instance = {"x": {"name": "big"}}
    files_given = case(cloud({"a": 400_000, "b": 400_001}, big, of_instance=of_instance), target(x="b"))
    words = "found 0.01 Mbit/s, at which 400000 MiB take more than a year"
    for command in (("find", "-f", "json"), ("debug",)):
        found = vmpath("path", *command, *files_given, "--migration-mbps", "0.01")
        assert found.status == 2
        assert found.err == f"vmpath: --migration-mbps, or a link of the network: the migration of big (x): {words}\n"
    plan = json.loads(vmpath("path", "find", *files_given, "-f", "json").out)
    plan["migrations"][0]["rate_mbps"] = 0.01
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    checked = vmpath("path", "check", *files_given[:2], "--plan", str(tmp_path / "plan.json"))
    assert checked.status == 2
    assert checked.err == f"vmpath: {tmp_path}/plan.json at /migrations/0/rate_mbps: {words}\n"


def test_a_plan_that_breaks_is_told_apart(vmpath: Run, case: Callable[..., list[str]], tmp_path: pathlib.Path) -> None:
    files_given = case(cloud({"a": 10, "b": 10, "c": 10}, SWAP), SWAPPED)
    plan = json.loads(vmpath("path", "find", *files_given, "-f", "json").out)
    for step in plan["migrations"]:
        step["after"] = []
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    checked = vmpath("path", "check", *files_given[:2], "--plan", str(tmp_path / "plan.json"), "-f", "json")
    assert checked.status == 1
    answer = json.loads(checked.out)
    assert answer["holds"] is False
    assert answer["problems"]
    assert "the plan breaks: " in checked.err


def test_a_plan_for_another_snapshot_is_noted(vmpath: Run, case: Callable[..., list[str]]) -> None:
    first = case(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}), target(x="b"))
    plan = first[1] + ".plan"
    assert vmpath("path", "find", *first, "-o", plan).status == 0
    other = case(cloud({"a": 11, "b": 10}, {"x": ("a", 6)}), target(x="b"))
    checked = vmpath("path", "check", *other[:2], "--plan", plan)
    assert checked.status == 0
    assert "made from another snapshot" in checked.err


def test_no_path_is_a_proof_with_a_plan_file(
    vmpath: Run, case: Callable[..., list[str]], tmp_path: pathlib.Path
) -> None:
    files_given = case(cloud({"a": 10, "b": 10}, SWAP), SWAPPED)
    plan = tmp_path / "plan.json.gz"
    found = vmpath("path", "find", *files_given, "-o", str(plan))
    assert found.status == 3
    assert found.out == ""
    assert found.err.startswith("infeasible: ")
    assert files.load_plan(str(plan)).outcome == "infeasible"
    best = vmpath("path", "find", *files_given, "--best-effort", "-f", "json")
    assert best.status == 4
    assert json.loads(best.out)["outcome"] == "partial"


def test_limits_reach_the_plan(vmpath: Run, case: Callable[..., list[str]]) -> None:
    files_given = case(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}), target(x="b"))
    limits = ["--per-host", "3", "--in-total", "4", "--per-group", "1", "--migration-mbps", "1000"]
    plan = json.loads(vmpath("path", "find", *files_given, *limits, "--objective", "time", "-f", "json").out)
    assert plan["limits"] == {"per_host": 3, "in_total": 4, "per_group": 1, "migration_mbps": 1000.0}
    assert plan["objective"] == "time"


def test_with_a_network_hosts_have_no_limit_of_their_own(vmpath: Run, case: Callable[..., list[str]]) -> None:
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 6)}, links={"core": 1000})
    files_given = case(snapshot, target(x="b"))
    assert json.loads(vmpath("path", "find", *files_given, "-f", "json").out)["limits"]["per_host"] is None
    given = vmpath("path", "find", *files_given, "--per-host", "1", "-f", "json")
    assert json.loads(given.out)["limits"]["per_host"] == 1


@pytest.mark.parametrize(
    ("placement", "sentence"),
    [
        (target(nobody="a"), "vmpath: the target names instance 'nobody' that the snapshot does not have\n"),
        (target(x="z"), "vmpath: the target names host 'z' that the snapshot does not have\n"),
        (target(x=None), "vmpath: the target takes instance 'x' away (null); that needs --allow-departures\n"),
    ],
)
def test_an_insane_target_is_refused(
    vmpath: Run, case: Callable[..., list[str]], placement: Placement, sentence: str, tmp_path: pathlib.Path
) -> None:
    files_given = case(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}), placement)
    plan = tmp_path / "plan.json"
    found = vmpath("path", "find", *files_given, "-o", str(plan))
    assert (found.status, found.out, found.err) == (2, "", sentence)
    assert not plan.exists()


def test_limits_on_the_whole_give_the_best_part(vmpath: Run, case: Callable[..., list[str]]) -> None:
    sizes = {"x": ("a", 2), "y": ("a", 5), "z": ("a", 4)}
    files_given = case(cloud({"a": 12, "b": 12}, sizes), target(x="b", y="b", z="b"))

    def part(*options: str) -> tuple[int, str, set[str]]:
        found = vmpath("path", "find", *files_given, *options, "-f", "json")
        plan = json.loads(found.out)
        return found.status, plan["outcome"], {each["instance"] for each in plan["migrations"]}

    assert part("--max-migrations", "3", "--max-memory", "11") == (0, "found", {"x", "y", "z"})
    assert part("--max-migrations", "2") == (4, "partial", {"y", "z"})
    assert part("--max-memory", "7") == (4, "partial", {"x", "y"})
    assert part("--max-memory", "1") == (4, "partial", set())
    told = vmpath("path", "find", *files_given, "--max-migrations", "2").err
    assert "at most 2 migrations were allowed: 1 of 3 misplaced instances (2 MiB) stay where they are: x on a" in told


def test_a_policy_says_which_part_is_the_best(vmpath: Run, case: Callable[..., list[str]]) -> None:
    # one big instance leaves a half full; two small ones empty b
    sizes = {"big": ("a", 6), "rest": ("a", 1), "small": ("b", 2), "home": ("c", 1)}
    files_given = case(cloud({"a": 12, "b": 12, "c": 12}, sizes), target(big="c", small="c"))
    chosen = {}
    for policy in ((), ("--policy", "consolidate")):
        found = vmpath("path", "find", *files_given, "--max-migrations", "1", *policy, "-f", "json")
        plan = json.loads(found.out)
        chosen[plan["policy"]] = [each["instance"] for each in plan["migrations"]]
    assert chosen == {None: ["big"], "consolidate": ["small"]}
    assert "did you mean 'consolidate'?" in vmpath("path", "find", *files_given, "--policy", "consolidte").err


GOOD = {"a": 10, "b": 10}


@pytest.mark.parametrize(
    "options",
    [
        ("--max-migrations", "0"),
        ("--max-memory", "-5"),
        ("--per-host", "0"),
        ("--per-host", "123456789012345678901234567890"),
        ("--in-total", "two"),
        ("--migration-mbps", "0"),
        ("--migration-mbps", "nan"),
        ("--migration-mbps", "1e300"),
        ("--time-limit", "-1"),
        ("--objective", "beauty"),
        ("--constraint", "nosuch"),
    ],
)
def test_limits_that_admit_nothing_are_refused(
    vmpath: Run, case: Callable[..., list[str]], tmp_path: pathlib.Path, options: tuple[str, str]
) -> None:
    files_given = case(cloud(GOOD, {"x": ("a", 6)}), target(x="b"))
    refused = vmpath("path", "find", *files_given, *options, "-o", str(tmp_path / "plan.json"))
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("vmpath: ")
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "plan.json").exists()


HOST = {"name": "a", "inventories": {"MEMORY_MB": {"capacity": 10}}}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"hosts": [], "instances": []}, "at /hosts: there is no host in the cloud, expected at least one"),
        ({"hosts": [HOST]}, "the key 'instances' is missing"),
        ({"hosts": [HOST, HOST], "instances": []}, "at /hosts/1/name: host 'a' stands twice"),
        (
            {"hosts": [{**HOST, "inventories": {"MEMORY_MB": {"total": 2**70}}}], "instances": []},
            "at /hosts/0/inventories/MEMORY_MB/total: ",
        ),
        (
            {"hosts": [HOST], "instances": [{"uuid": "x", "host": "a", "resources": {"MEMORY_MB": -1}}]},
            "at /instances/0/resources/MEMORY_MB: ",
        ),
        (
            {"hosts": [HOST], "instances": [{"uuid": "x", "host": "b", "resources": {}}]},
            "at /instances/0/host: there is no host 'b' in /hosts",
        ),
        ({"hosts": [HOST], "instances": [], "colour": 1}, "at /colour: unknown key"),
    ],
)
def test_an_odd_cloud_is_refused(
    vmpath: Run, case: Callable[..., list[str]], tmp_path: pathlib.Path, document: dict[str, Any], sentence: str
) -> None:
    files_given = case(cloud(GOOD, {"x": ("a", 6)}), target(x="b"))
    pathlib.Path(files_given[1]).write_text(json.dumps({"format": "vmpath-snapshot/1", **document}))
    refused = vmpath("path", "find", *files_given, "-o", str(tmp_path / "plan.json"))
    assert (refused.status, refused.out) == (2, "")
    assert sentence in refused.err
    assert refused.err.count("\n") == 1


def test_files_that_stand_in_each_others_place(vmpath: Run, case: Callable[..., list[str]]) -> None:
    first = case(cloud(GOOD, {"x": ("a", 6)}), target(x="b"))
    swapped = vmpath("path", "find", "--snapshot", first[3], "--target", first[1])
    assert (swapped.status, swapped.out) == (2, "")
    assert 'found "vmpath-placement/1", expected "vmpath-snapshot/1"' in swapped.err
    strangers = Placement({f"other-{number}": "elsewhere" for number in range(5)})
    other = case(cloud(GOOD, {"x": ("a", 6)}), strangers)
    apart = vmpath("path", "find", *other)
    assert (apart.status, apart.out) == (2, "")
    assert "'other-0', 'other-1', 'other-2' and 2 more that the snapshot does not have" in apart.err


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (target(x="b", y="b"), "the target asks for 12 MEMORY_MB on b, which has 10"),
        (target(x="off"), "the target puts x on off, which is down and takes nothing in"),
        (target(u="b"), "the target splits the strict affinity server group pair over a, b"),
        (target(s="b", t="b"), "the target puts 2 members of server group apart on b, where at most 1 may be"),
    ],
)
def test_a_target_worse_than_the_start_is_refused(
    vmpath: Run, case: Callable[..., list[str]], wanted: Placement, sentence: str
) -> None:
    snapshot = cloud(
        {"a": 20, "b": 10, "off": 10},
        {"x": ("a", 6), "y": ("a", 6), "u": ("a", 1), "v": ("a", 1), "s": ("a", 1), "t": ("off", 1)},
        apart={"apart": ["s", "t"]},
        together={"pair": ["u", "v"]},
        down=["off"],
    )
    refused = vmpath("path", "find", *case(snapshot, wanted))
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == f"vmpath: {sentence}\n"


def test_a_directory_that_is_not_there_shows_before_the_search(
    vmpath: Run, case: Callable[..., list[str]], tmp_path: pathlib.Path
) -> None:
    files_given = case(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}), target(x="b"))
    plan = tmp_path / "missing" / "plan.json"
    found = vmpath("path", "find", *files_given, "-o", str(plan))
    assert (found.status, found.out) == (2, "")
    assert found.err == f"vmpath: {plan}: cannot be written: there is no directory {plan.parent}\n"


def interrupted(words: list[str], times: int) -> subprocess.CompletedProcess[str]:
    """The program, interrupted so many times when the search is about to begin."""
    program = (
        "import os, signal, sys\n"
        "from vmpath_service import pathfinder\n"
        "find = pathfinder.find_path\n"
        "def interrupted(*given, **more):\n"
        f"    for _ in range({times}):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return find(*given, **more)\n"
        "pathfinder.find_path = interrupted\n"
        "from vmpath_service.cmd.vmpath import main\n"
        f"sys.exit(main({words!r}))\n"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_an_interrupt_gives_the_best_so_far(case: Callable[..., list[str]], tmp_path: pathlib.Path) -> None:
    many = {f"x{number}": ("a", 2) for number in range(9)}
    files_given = case(cloud({"a": 18, "b": 18}, many), Placement(dict.fromkeys(many, "b")))
    plan = tmp_path / "plan.json"
    done = interrupted(["path", "find", *files_given, "-o", str(plan)], 1)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("interrupted: the best so far follows; once more ends at once\n")
    found = files.load_plan(str(plan))
    assert (found.outcome, found.extra) == ("found", {"interrupted": True})  # all of it is seen at a glance
    stuck = case(cloud({"a": 18, "b": 18, "c": 6}, {"x": ("a", 6), "y": ("b", 14)}), target(x="b", y="a"))
    done = interrupted(["path", "find", *stuck, "-o", str(plan)], 1)
    assert done.returncode == 4
    assert files.load_plan(str(plan)).outcome == "partial"
    assert "it was interrupted before a whole path was found" in done.stderr


def test_a_second_interrupt_leaves_the_old_plan(case: Callable[..., list[str]], tmp_path: pathlib.Path) -> None:
    files_given = case(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}), target(x="b"))
    plan = tmp_path / "plan.json"
    plan.write_text("the old one")
    done = interrupted(["path", "find", *files_given, "-o", str(plan)], 2)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.endswith("vmpath: interrupted\n")
    assert plan.read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cloud.json", "plan.json", "target.json"]


def test_a_table_lists_the_migrations(vmpath: Run, case: Callable[..., list[str]]) -> None:
    files_given = case(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}), target(x="b"))
    columns = ["-c", "instance", "-c", "source", "-c", "dest"]
    assert vmpath("path", "find", *files_given, "-f", "value", *columns).out == "x a b\n"
    as_json = vmpath("path", "find", *files_given, "-f", "json", *columns)
    assert json.loads(as_json.out) == [{"instance": "x", "source": "a", "dest": "b"}]
    assert "dest: b" in vmpath("path", "find", *files_given, "-f", "yaml").out
    assert "| x        | a" in vmpath("path", "find", *files_given).out


def test_a_table_calls_instances_by_their_names_and_has_no_empty_columns(
    vmpath: Run, case: Callable[..., list[str]]
) -> None:
    of_instance = {"x": {"name": "web"}}
    files_given = case(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}, of_instance=of_instance), target(x="b"))
    heads = ["id", "wave", "instance", "source", "dest", "start_s", "end_s", "memory_mb"]
    lines = vmpath("path", "find", *files_given).out.splitlines()
    assert lines[1].split()[1::2] == heads
    assert lines[3].split()[5] == "web"
    as_csv = vmpath("path", "find", *files_given, "-f", "csv").out.splitlines()
    assert as_csv[0].count(",") == 10
    assert ",x,a,b," in as_csv[1].replace('"', "")
    nothing = vmpath("path", "find", *case(cloud({"a": 1}, {}), target()))
    assert (nothing.status, nothing.out.strip()) == (0, "")


def test_a_table_leaves_out_what_can_be_spared_where_the_terminal_is_narrow() -> None:
    long = "compute-rack07-frankfurt-{:02}.example.net"
    snapshot = cloud({long.format(1): 9, long.format(2): 9}, {"x": (long.format(1), 1)})
    columns = ("id", "instance", "source", "dest", "after", "end_s", "memory_mb", "reason")
    rows = [(1, "x", long.format(1), long.format(2), "", 1.0, 1, "makes room for somebody else who waits for it")]
    heads, narrow = _for_people(snapshot, columns, rows, 80)
    assert heads == ["id", "instance", "source", "dest", "end_s", "memory_mb"]
    assert narrow == [[1, "x", "compute~kfurt-01", "compute~kfurt-02", 1.0, 1]]
    assert _for_people(snapshot, columns, rows, 300)[0][-1] == "reason"
    assert _for_people(snapshot, columns, rows, None)[1][0][2] == long.format(1)


def test_the_same_input_gives_the_same_plan(vmpath: Run, case: Callable[..., list[str]]) -> None:
    files_given = case(cloud({"a": 10, "b": 10, "c": 10}, SWAP), SWAPPED)
    plans = [json.loads(vmpath("path", "find", *files_given, "-f", "json").out) for _ in range(2)]
    for plan in plans:
        del plan["summary"]["seconds"]
    assert plans[0] == plans[1]


def test_a_policy_gives_a_target_that_a_path_leads_to(vmpath: Run, tmp_path: pathlib.Path) -> None:
    snapshot, wanted = str(tmp_path / "cloud.json"), str(tmp_path / "target.json")
    files.save(cloud({"a": 10, "b": 10}, {"x": ("a", 2), "y": ("b", 4), "z": ("a", 1)}, immovable=["z"]), snapshot)
    applied = vmpath("policy", "apply", "drain", "--snapshot", snapshot, "--host", "a", "-o", wanted)
    assert (applied.status, applied.out) == (0, "")
    assert "score before: 2 " in applied.err
    assert "score after:  1 " in applied.err
    assert "left where it is: z on a: " in applied.err
    assert files.load_placement(wanted) == target(x="b")
    assert vmpath("path", "find", "--snapshot", snapshot, "--target", wanted).status == 0


def test_of_long_lists_the_beginning_is_told_and_all_with_v(vmpath: Run, tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "cloud.json")
    emptied = {f"h{number:02}": 10 for number in range(1, 13)}
    moving = {f"m{number:02}": (f"h{number:02}", 1) for number in range(1, 13)}
    staying = {f"s{number:02}": ("full", 1) for number in range(1, 14)}
    snapshot = cloud({**emptied, "full": 20, "free": 20}, {**moving, **staying}, immovable=list(staying))
    files.save(snapshot, path)
    hosts = [word for name in (*emptied, "full") for word in ("--host", name)]
    words = ("policy", "apply", "drain", "--snapshot", path, *hosts, "-f", "json")
    told = vmpath(*words)
    lines = told.err.splitlines()
    assert f"emptied: {', '.join(list(emptied)[:10])} and 2 more" in lines
    assert sum(line.startswith("left where it is: ") for line in lines) == 10
    assert "and 3 more (vmpath -v names all)" in lines
    in_full = vmpath("-v", *words)
    assert f"emptied: {', '.join(emptied)}" in in_full.err.splitlines()
    assert in_full.err.count("left where it is: ") == 13
    assert len(json.loads(told.out)["placement"]) == 12
    assert in_full.out == told.out


def test_options_of_a_policy_are_read_as_it_declares_them(vmpath: Run, tmp_path: pathlib.Path) -> None:
    snapshot = str(tmp_path / "cloud.json")
    files.save(cloud({"a": 10, "b": 10}, {"x": ("a", 2), "y": ("a", 2)}), snapshot)
    apply = ("policy", "apply", "drain", "--snapshot", snapshot, "--host", "a")
    limited = vmpath(*apply, "--set", "max_migrations=1", "-f", "json")
    assert len(json.loads(limited.out)["placement"]) == 1
    assert limited.status == 4  # less than was asked for
    assert "short of what was asked for" in limited.err
    wrong = vmpath(*apply, "--set", "max_migrations=many")
    assert (wrong.status, wrong.out) == (2, "")
    assert "option max_migrations: found 'many', expected a whole number of at least 1" in wrong.err
    unknown = vmpath(*apply, "--set", "colour=red")
    assert unknown.status == 2
    assert "there is no option 'colour'" in unknown.err


def test_an_unknown_policy_or_host(vmpath: Run, tmp_path: pathlib.Path) -> None:
    snapshot = str(tmp_path / "cloud.json")
    files.save(cloud({"a": 10}, {}), snapshot)
    wrong = vmpath("policy", "apply", "consolidte", "--snapshot", snapshot)
    assert wrong.status == 2
    assert "did you mean 'consolidate'?" in wrong.err
    lost = vmpath("policy", "apply", "drain", "--snapshot", snapshot, "--host", "z")
    assert lost.status == 2
    assert "'z'" in lost.err


def test_the_cost_decides_who_steps_aside(vmpath: Run, case: Callable[..., list[str]]) -> None:
    dear = {"x": {"metadata": {"dear": "9"}}}
    given = case(cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 8)}, of_instance=dear), SWAPPED)

    def aside(*options: str) -> list[str]:
        found = vmpath("path", "find", *given, "--objective", "cost", *options, "-f", "json")
        assert found.status == 0
        return [each["instance"] for each in json.loads(found.out)["migrations"] if each["bypass"]]

    assert aside() == ["x"]
    assert aside("--cost", "weighted", "--cost-set", "key=dear") == ["y"]
    wrong = vmpath("path", "find", *given, "--cost", "memry")
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
    assert "there is no cost 'memry'; did you mean 'memory'?" in wrong.err


def test_a_strategy_is_chosen_by_name(vmpath: Run, case: Callable[..., list[str]]) -> None:
    given = case(cloud({"a": 10, "b": 10}, {"x": ("a", 8), "y": ("b", 8)}), SWAPPED)
    status = {
        name: vmpath("path", "find", *given, "--strategy", name).status for name in ("layered", "exact", "greedy")
    }
    assert status == {"layered": 3, "exact": 3, "greedy": 4}
    wrong = vmpath("path", "find", *given, "--strategy", "exakt")
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
