"""``vmpath snapshot show`` and ``diff``."""

from __future__ import annotations

import io
import json
import pathlib
from collections.abc import Callable

import pytest

from tests.clouds import cloud
from tests.unit.cli.conftest import Outcome
from vmpath_service.cli.bars import Fill, bar, mebibytes
from vmpath_service.cli.coloured import print_bars
from vmpath_service.model import files

Run = Callable[..., Outcome]
HOSTS = {"a": {"MEMORY_MB": 4096, "VCPU": 8}, "b": {"MEMORY_MB": 4096}}


@pytest.fixture
def before(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "before.json"
    snapshot = cloud(HOSTS, {"x": ("a", {"MEMORY_MB": 1024, "VCPU": 2}), "y": ("a", 512), "z": (None, 512)})
    files.save(snapshot, str(path))
    return str(path)


def test_show_counts_what_is_on_each_host(vmpath: Run, before: str) -> None:
    shown = vmpath("snapshot", "show", before, "-f", "json")
    assert json.loads(shown.out) == [
        {
            "host": "a",
            "state": "up",
            "instances": 2,
            "VCPU": {"used": 2, "capacity": 8},
            "MEMORY_MB": {"used": 1536, "capacity": 4096},
        },
        {
            "host": "b",
            "state": "up",
            "instances": 0,
            "VCPU": {"used": 0, "capacity": 0},
            "MEMORY_MB": {"used": 0, "capacity": 4096},
        },
    ]
    assert not shown.err


def test_show_is_plain_in_a_pipe(vmpath: Run, before: str) -> None:
    shown = vmpath("snapshot", "show", before)
    assert "#######.............  38%  1.5 GiB of 4 GiB" in shown.out
    assert "\x1b" not in shown.out
    assert shown.out.isascii()


@pytest.mark.parametrize("form", ["yaml", "csv", "value"])
def test_show_in_other_formats(vmpath: Run, before: str, form: str) -> None:
    shown = vmpath("snapshot", "show", before, "-f", form, "-c", "host", "-c", "instances")
    assert shown.status == 0
    assert shown.out.split() == {
        "yaml": ["-", "host:", "a", "instances:", "2", "-", "host:", "b", "instances:", "0"],
        "csv": ['"host","instances"', '"a",2', '"b",0'],
        "value": ["a", "2", "b", "0"],
    }[form]


def test_hosts_can_be_sorted_by_how_full_they_are(vmpath: Run, before: str) -> None:
    fullest = ("snapshot", "show", before, "-f", "value", "-c", "host", "--sort-column", "MEMORY_MB")
    assert vmpath(*fullest, "--sort-descending").out == "a\nb\n"
    assert vmpath(*fullest, "--sort-ascending").out == "b\na\n"


def test_an_unknown_column_is_named(vmpath: Run, before: str) -> None:
    shown = vmpath("snapshot", "show", before, "-c", "hots")
    assert shown.status == 2
    assert shown.err == "vmpath: there is no column 'hots'; columns are host, state, instances, VCPU, MEMORY_MB\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "parts"),
    [
        (100, ["█" * 19 + "░", "95 MiB of 100 MiB", "10 MiB of 100 MiB"]),
        (60, ["█" * 19 + "░", "  95%", "  10%"]),
        (38, ["█" * 9 + "░", "  95%", "  10%"]),
    ],
)
def test_on_a_terminal_bars_are_coloured_and_fit(
    monkeypatch: pytest.MonkeyPatch, width: int, parts: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    rows = [("a-long-name-of-a-host", Fill(95, 100, "MiB"), ""), ("b", Fill(10, 100, "MiB"), "")]
    stream = Terminal()
    print_bars(stream, ("host", "MEMORY_MB", "why_not"), rows)
    text = stream.getvalue()
    for part in ("a-long-name-of-a-host", *parts):
        assert part in text
    assert "why_not" not in text
    assert "…" not in text


@pytest.mark.parametrize(
    ("share", "marks"), [(0.0, 0), (0.001, 1), (0.5, 10), (0.999, 19), (1.0, 20), (3.0, 20)]
)
def test_a_bar_is_full_only_when_it_is(share: float, marks: int) -> None:
    assert bar(share) == "#" * marks + "." * (20 - marks)


def test_sizes_in_words() -> None:
    assert [mebibytes(amount) for amount in (0, 512, 1536, 3 * 1024**2)] == ["0 MiB", "512 MiB", "1.5 GiB", "3 TiB"]


def test_diff_names_what_moved_came_and_went(vmpath: Run, before: str, tmp_path: pathlib.Path) -> None:
    later = cloud(HOSTS, {"x": ("b", {"MEMORY_MB": 2048, "VCPU": 2}), "w": ("a", 512), "z": (None, 512)}, down=["b"])
    after = tmp_path / "after.json.gz"
    files.save(later, str(after))
    shown = vmpath("snapshot", "diff", before, str(after), "-f", "json")
    assert shown.status == 0
    assert [tuple(row.values()) for row in json.loads(shown.out)] == [
        ("host", "b", "state", "up", "down"),
        ("instance", "x", "MEMORY_MB", "1024", "2048"),
        ("instance", "x", "host", "a", "b"),
        ("instance", "y", "", "there", "gone"),
        ("instance", "w", "", "not there", "new"),
    ]


def test_diff_of_long_lists_shows_what_differs_first(vmpath: Run, tmp_path: pathlib.Path) -> None:
    names = {name: [f"HW_{number:02}" for number in range(many)] for name, many in (("before", 20), ("after", 21))}
    for name, traits in names.items():
        files.save(cloud({"a": 10}, {}, of_host={"a": {"traits": traits}}), str(tmp_path / name))
    words = ("snapshot", "diff", str(tmp_path / "before"), str(tmp_path / "after"))
    first = [f"HW_{number:02}" for number in range(10)]
    row = vmpath(*words).out.splitlines()[3]
    assert f"{', '.join(first)} and 10 more" in row
    assert f"HW_20, {', '.join(first[:9])} and 11 more" in row
    (full,) = json.loads(vmpath(*words, "-f", "json").out)
    assert (full["before"], full["after"]) == (", ".join(names["before"]), ", ".join(names["after"]))


def test_diff_of_equals_says_so(vmpath: Run, before: str) -> None:
    shown = vmpath("snapshot", "diff", before, before, "-f", "json")
    assert (shown.status, json.loads(shown.out)) == (0, [])
    assert shown.err == "the two snapshots do not differ\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "is not valid JSON"),
        ('{"format": "vmpath-plan/1"}', "at /format: found"),
        ('{"format": "vmpath-snapshot/1", "hosts": [], "instances": []}', "at /hosts: there is no host"),
    ],
)
def test_a_bad_file_is_one_sentence(vmpath: Run, tmp_path: pathlib.Path, content: str | None, problem: str) -> None:
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_text(content)
    shown = vmpath("snapshot", "show", str(path))
    assert shown.status == 2
    assert shown.err.startswith(f"vmpath: {path}")
    assert problem in shown.err
    assert shown.err.count("\n") == 1
