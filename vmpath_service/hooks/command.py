"""``command``: a program on this machine."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

import msgspec

from vmpath_service.hooks.base import Hook
from vmpath_service.model.errors import HookFailed, InvalidInput
from vmpath_service.model.options import Option, OptionValue

_SAID = 500
_GRACE_S = 5.0


class CommandHook(Hook):
    """Runs a program with the occasion as JSON on its standard input.

    The words of ``command`` are split as a shell does, but no shell runs them. In the environment are
    ``VMPATH_EVENT``, and ``VMPATH_HOSTS`` with the names of the hosts, separated by spaces, where it is about hosts.
    It has failed if its exit status is not 0 or if it takes longer than ``timeout``; then it and what it started
    are killed.
    """

    name = "command"
    summary = "Runs a program with the occasion as JSON on its standard input."
    options = (Option("command", "string", "The program and its arguments, such as /usr/local/bin/reboot-hosts -v."),)

    def __init__(self, settings: Mapping[str, OptionValue]) -> None:
        super().__init__(settings)
        try:
            self._words = shlex.split(str(settings["command"] or ""))
        except ValueError as error:
            raise InvalidInput(f"option command: found {settings['command']!r}: {error}") from error
        if not self._words:
            raise InvalidInput("option command: expected a program and its arguments")

    def run(self, occasion: Mapping[str, Any]) -> None:
        environment = dict(os.environ) | {"VMPATH_EVENT": str(occasion.get("event", ""))}
        environment["VMPATH_HOSTS"] = " ".join(map(str, occasion.get("hosts") or ()))
        program = self._words[0]
        try:
            # a session of its own, so that all of it can be ended
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise HookFailed(f"{program} cannot be run: {error.strerror}") from error
        try:
            said, _ = process.communicate(msgspec.json.encode(dict(occasion)), timeout=self.timeout())
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise HookFailed(f"{program} has not ended within {self.timeout():g} s and was killed") from error
        if process.returncode != 0:
            last = said.decode(errors="replace").strip()[-_SAID:]
            raise HookFailed(f"{program} ended with status {process.returncode}" + (f": {last}" if last else ""))


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=_GRACE_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
