"""Processes of ``vmpath-service`` without the seconds that a start takes to import everything.

A process that has imported it, and does nothing else, is forked for each; what the child then does is ``main`` of the
program, under a process id of its own to be killed by.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

NEEDED = (
    *("vmpath_service.cmd.all_in_one", "vmpath_service.cmd.configuration", "vmpath_service.policies.registry"),
    *("openstack.config", "openstack.exceptions", "keystoneauth1.adapter", "keystoneauth1.identity"),
    *("alembic.command", "sqlalchemy.dialects.sqlite", "oslo_db.sqlalchemy.engines", "oslo_messaging"),
)


class Born:
    """A process that was forked in the nursery: as much of ``subprocess.Popen`` as is needed of it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it lives; its exit status is not known."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -1
        return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        """Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("vmpath-service", timeout)
            time.sleep(0.02)
        return -1


class Nursery:
    """Started with the first process that is asked for; ended by ``close``."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def bear(self, words: list[str], environment: Mapping[str, str], log: Path) -> Born:
        """The process that ``words``, a command line of vmpath-service, would start; it writes to ``log``."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([words[1:], dict(environment), str(log)]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the nursery ended with status {self._process.wait(30)}"
        return Born(int(answer))

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=30)


def serve() -> None:
    """Fork for each line of the standard input, and answer with the process id."""
    from vmpath_service.rpc.transport import use_threads

    # before anything of oslo is imported that would choose otherwise, as the program itself does
    use_threads()
    for module in NEEDED:
        importlib.import_module(module)
    # whoever has ended is not to stay as a zombie, which cannot be told from a living process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(*json.loads(line))
        print(pid, flush=True)


def _live(arguments: list[str], environment: dict[str, str], log: str) -> NoReturn:
    from vmpath_service.cmd.service import main

    status: Any = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
            os.dup2(descriptor, number)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["vmpath-service", *arguments]
        status = main(arguments)
    except SystemExit as error:
        status = error.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    serve()
