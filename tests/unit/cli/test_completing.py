"""Completion, as a shell does it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from vmpath_service.cmd.vmpath import main

CASES = [
    (["vmpath", ""], {"host", "rearrangement", "drain"}, {"list"}),
    (["vmpath", "rea"], {"rearrangement"}, {"host"}),
    (["vmpath", "rearrangement", ""], {"create", "watch", "report"}, {"host"}),
    (["vmpath", "rearrangement", "cr"], {"create"}, {"watch"}),
    (["vmpath", "rearrangement", "create", "--dr"], {"--dry-run"}, {"--approve"}),
    (["vmpath", "rearrangement", "create", "ni"], {"nightly"}, {"drain"}),
    (["vmpath", "rearrangement", "list", "--state", "a"], {"awaiting-approval"}, {"approval", "awaiting"}),
    (["vmpath", "drain", "comp"], {"compute-1", "compute-2"}, {"nightly"}),
    (["vmpath", "drain", "compute-1", "--wait", "-f", ""], {"json", "table"}, {"compute-2"}),
    (["vmpath", "maintenance", "create", "--host", ""], {"compute-1", "compute-2"}, {"--host"}),
    (["vmpath", "schedule", "show", ""], {"nightly"}, {"compute-1"}),
    (["vmpath", "--os-cloud", "host", "policy", "s"], {"show"}, {"list"}),
    (["vmpath", "--debug", "host", "s"], {"show"}, {"list"}),
    (["vmpath", "snapshot", "show", "sav"], {"saved.json"}, set()),
    (["vmpath", "no", "such", ""], set(), {"host"}),
]
ASK = """
source {script}
COMP_WORDS=({words}) COMP_CWORD={last}
{prepare}
_vmpath
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a file, and a vmpath that knows two hosts and a policy."""
    (tmp_path / "saved.json").touch()
    program = tmp_path / "vmpath"
    program.write_text(
        '#!/bin/sh\ncase "$1" in host) printf "compute-1\\ncompute-2\\n" ;; *) printf "nightly\\ndrain\\n" ;; esac\n'
    )
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes(shell: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    assert main(["complete", shell]) == 0
    script = place / "script"
    script.write_text(capsys.readouterr().out)
    prepare = "emulate -L ksh 2>/dev/null || true" if shell == "zsh" else ""
    for words, offered, not_offered in CASES:
        quoted = " ".join(f"'{word}'" for word in words)
        text = ASK.format(script=script, words=quoted, last=len(words) - 1, prepare=prepare)
        done = subprocess.run(
            [program, "-c", text],
            capture_output=True,
            text=True,
            cwd=place,
            env={"PATH": f"{place}:/usr/bin:/bin", "HOME": str(place)},
            timeout=60,
            check=True,
        )
        assert not done.stderr, (words, done.stderr)
        # zsh itself takes those that begin as the word does
        found = {word for word in done.stdout.split() if word.startswith(words[-1])}
        assert offered <= found, words
        assert not not_offered & found, words


def test_every_command_and_option_is_in_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    from vmpath_service.cli.commands import COMMANDS

    assert main(["complete"]) == 0
    script = capsys.readouterr().out
    assert all(f'    "{name}") echo "-h --help' in script for name in COMMANDS)
