"""Background processes by pid file: started once, found again, ended with all they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from novalab.settings import PREFIX, LabError, Layout


def _start_ticks(pid: int) -> str | None:
    """When the process began, as the kernel counts; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def record(layout: Layout, name: str, pid: int) -> None:
    """Remember *pid*, with its start time so that a reused number is not taken for it."""
    target = layout.pids / name
    temporary = target.with_suffix(".new")
    temporary.write_text(f"{pid} {_start_ticks(pid)}\n")
    temporary.replace(target)


def pid_of(layout: Layout, name: str) -> int | None:
    """The pid of the running process *name*, or None."""
    try:
        pid, ticks = (layout.pids / name).read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if _start_ticks(int(pid)) == ticks else None


def started_at(layout: Layout, name: str) -> float:
    """When the process *name* was started, in seconds since 1970; infinity when never."""
    try:
        return (layout.pids / name).stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def names(layout: Layout) -> list[str]:
    """Every process the lab has a pid file of."""
    if not layout.pids.is_dir():
        return []
    return sorted(path.name for path in layout.pids.iterdir() if path.suffix != ".new")


def start(
    layout: Layout, name: str, command: Sequence[str | Path], environment: Mapping[str, str]
) -> bool:
    """Start *command* in a session of its own unless *name* runs; True when it was started."""
    if pid_of(layout, name):
        return False
    with open(layout.logs / f"{name}.out", "ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            start_new_session=True,
            cwd=layout.run,
        )
    record(layout, name, process.pid)
    return True


def stop(layout: Layout, which: Iterable[str], patience: float) -> None:
    """End the processes *which*: SIGTERM, up to *patience* seconds, SIGKILL to their groups."""
    pids = {name: pid for name in which if (pid := pid_of(layout, name))}
    for pid in pids.values():
        _signal(os.kill, pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(pid_of(layout, name) for name in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    for name, pid in pids.items():
        # each leads its own session, so the group holds what it left behind
        _signal(os.killpg, pid, signal.SIGKILL)
        (layout.pids / name).unlink(missing_ok=True)


def _signal(send: Callable[[int, int], None], pid: int, number: signal.Signals) -> None:
    try:
        send(pid, number)
    except ProcessLookupError:
        return


def run(
    layout: Layout, log: str, command: Sequence[str | Path], environment: Mapping[str, str]
) -> None:
    """Run *command* to its end with output to the log file *log*; LabError when it fails.

    The command shares the lock, so that a lab command killed meanwhile leaves nothing behind
    that the next one could run into.
    """
    target = layout.logs / f"{log}.log"
    lock = os.environ.get(PREFIX + "LOCK")
    with open(target, "ab") as output:
        outcome = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd=layout.run,
            check=False,
            pass_fds=(int(lock),) if lock else (),
        )
    if outcome.returncode:
        raise LabError(
            f"{Path(command[0]).name} failed with {outcome.returncode}, see {target}"
            " and the logs beside it"
        )


def listening(port: int) -> bool:
    """Whether something accepts connections on the port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    ready: Callable[[], bool],
    seconds: float,
    what: str,
    layout: Layout,
    process: str | None = None,
) -> None:
    """Poll *ready*; LabError when *seconds* have passed or the process behind it has ended."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process and not pid_of(layout, process):
            raise LabError(f"{what} ended while starting, see {layout.logs}/{process}.*")
        if time.monotonic() > deadline:
            raise LabError(f"{what} was not ready after {seconds:.0f} s, see {layout.logs}")
        time.sleep(0.1)
