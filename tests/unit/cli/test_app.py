"""What holds for every command."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata

import pytest

from tests.unit.cli.conftest import Outcome
from vmpath_service.cli.command import Command
from vmpath_service.cli.commands import COMMANDS
from vmpath_service.cmd import vmpath as entry

Run = Callable[..., Outcome]


def test_help_lists_every_command_with_what_it_does(vmpath: Run) -> None:
    shown = vmpath("--help")
    assert shown.status == 0
    listed = dict(line.strip().split("  ", 1) for line in shown.out.partition("commands:\n")[2].splitlines())
    assert set(listed) == set(COMMANDS)
    assert all(len(text.strip()) > 10 for text in listed.values())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(vmpath: Run, name: str) -> None:
    shown = vmpath(*name.split(), "--help")
    assert shown.status == 0
    assert shown.out.startswith(f"usage: vmpath {name}")


def test_without_a_command_it_says_what_there_is(vmpath: Run) -> None:
    shown = vmpath()
    assert shown.status == 2
    assert "path find" in shown.err
    assert not shown.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("path", "fnd"), "vmpath: there is no command 'path fnd'; did you mean 'path find'?"),
        (("hots", "list"), "vmpath: there is no command 'hots list'; did you mean 'host list'?"),
        (("thow",), "vmpath: there is no command 'thow'; did you mean 'thaw'?"),
        (
            ("snapshot",),
            "vmpath: 'snapshot' is not a command by itself; there are: snapshot diff, snapshot save, snapshot show",
        ),
        (("xyzzy",), "vmpath: there is no command 'xyzzy'; see vmpath --help"),
        (("--colour", "path", "find"), "vmpath: there is no option '--colour' before the command (see vmpath --help)"),
    ],
)
def test_an_unknown_command_is_answered_with_a_hint(vmpath: Run, words: tuple[str, ...], sentence: str) -> None:
    shown = vmpath(*words)
    assert (shown.status, shown.err) == (2, sentence + "\n")
    assert not shown.out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("path", "find", "--snapshot", "s"), "path find: the following arguments are required: --target"),
        (("path", "find", "--snapshot", "s", "--target", "t", "--per-host", "0"), "expected a whole number"),
        (("path", "find", "--snapshot", "s", "--target", "t", "--time-limit", "nan"), "expected a number above 0"),
        (
            ("path", "find", "--snapshot", "s", "--target", "t", "--migration-mbps", "1e-300"),
            "found '1e-300', expected a rate of at least 0.001 Mbit/s",
        ),
        (("path", "find", "--snap", "s", "--target", "t"), "required: --snapshot"),
        (("policy", "apply", "drain", "--snapshot", "s", "--set", "headroom"), "expected OPTION=VALUE"),
        (("snapshot", "show", "s", "-f", "xml"), "invalid choice: 'xml'"),
    ],
)
def test_wrong_usage_is_one_line(vmpath: Run, words: tuple[str, ...], part: str) -> None:
    shown = vmpath(*words)
    assert shown.status == 2
    assert part in shown.err
    assert shown.err.startswith("vmpath: ")
    assert shown.err.count("\n") == 1


def test_an_interrupt_is_no_traceback(vmpath: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Command):
        """Is interrupted."""

        def take_action(self, parsed_args: argparse.Namespace) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("vmpath_service.cli.commands.load", lambda _: Interrupted)
    shown = vmpath("path", "find")
    assert (shown.status, shown.out, shown.err) == (130, "", "vmpath: interrupted\n")


def test_starting_imports_nothing_that_is_slow() -> None:
    slow = ["openstack", "keystoneauth1", "oslo_config", "oslo_messaging", "sqlalchemy", "requests", "rich", "numpy"]
    program = (
        "import sys\n"
        "from vmpath_service.cmd.vmpath import main\n"
        "status = main(['--help'])\n"
        f"print([name for name in {[*slow, 'cmd2', 'yaml', 'falcon']!r} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "[]\n"


def test_output_into_a_closed_pipe_is_no_traceback() -> None:
    program = f"{sys.executable} -m {entry.__name__} --help | head -c 1"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""


def test_version(vmpath: Run) -> None:
    shown = vmpath("--version")
    assert shown.status == 0
    assert shown.out.startswith("vmpath ")


@pytest.mark.parametrize("noun", ["rearrangement", "maintenance", "schedule"])
def test_the_openstack_client_has_the_same_commands(noun: str) -> None:
    found = {
        entry.name.replace("_", " "): entry.value
        for entry in metadata.entry_points(group="openstack.vmpath.v1")
        if entry.name.startswith(f"{noun}_")
    }
    assert set(found.values()) <= set(COMMANDS.values())
    ours = {name: place for name, place in COMMANDS.items() if name.split()[0] == noun}
    assert {name: found.get(name) for name in ours} == ours
