"""Many genuine nova-compute processes for the price of one.

Imports Nova once, then forks one child per host: each child is an ordinary nova-compute
(nova.cmd.compute.main) with its own pid, host name, log and state, killable on its own; the
imported code is shared copy-on-write.

usage: computes.py RUN_DIRECTORY NOVA_CONF
A line ``start N`` on the pipe RUN_DIRECTORY/computes.ctl forks compute N unless it runs.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from pathlib import Path

from novalab import processes
from novalab.settings import Layout

run, nova_conf = Path(sys.argv[1]), sys.argv[2]
layout = Layout(run.parent)
# Nova reads the command line while it is imported; its concurrency mode must be settled before
# anything else of it, and this process must stay without threads: the children start their own
sys.argv = ["nova-compute", "--config-file", nova_conf]

import nova.cmd.compute as compute_command  # noqa: E402, I001

# not used here: imported now, they are shared by all children
import neutronclient.v2_0.client  # noqa: E402, F401
import nova.compute.manager  # noqa: E402
import nova.network.neutron  # noqa: E402
import nova.objects  # noqa: E402
import nova.virt.novalab  # noqa: E402
import oslo_messaging._drivers.impl_rabbit  # noqa: E402, F401

children: dict[int, int] = {}


def reap() -> None:
    """Forget the children that have ended."""
    for number, pid in list(children.items()):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del children[number]


def spawn(number: int) -> None:
    """Fork compute *number* unless it runs."""
    reap()
    if number in children:
        return
    pid = os.fork()
    if pid:
        children[number] = pid
        processes.record(layout, f"compute{number}", pid)
        return
    try:
        become_compute(f"compute{number}")
    finally:
        os._exit(1)


def become_compute(host: str) -> None:
    """Turn this forked process into an ordinary nova-compute; returns when that ends."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    log = layout.logs / host
    output = os.open(f"{log}.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    own_conf = f"{run}/etc/nova/{host}.conf"
    files = ["--config-file", nova_conf, "--config-file", own_conf, "--log-file", f"{log}.log"]
    sys.argv = ["nova-compute", *files]
    compute_command.main()


def terminate(*_: object) -> None:
    """Pass the request to end on to every child."""
    for pid in children.values():
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    os._exit(0)


def serve() -> None:
    """Fork what the pipe asks for, reap what ends, until told to stop."""
    pipe = run / "computes.ctl"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    # opened for writing too: the pipe never reports its end
    control = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    waiting = b""
    while True:
        if select.select([control], [], [], 0.5)[0]:
            waiting += os.read(control, 4096)
        *lines, waiting = waiting.split(b"\n")
        for line in lines:
            verb, _, number = line.partition(b" ")
            if verb == b"start" and number.isdigit():
                spawn(int(number))
        reap()


nova.objects.register_all()
gc.collect()
gc.freeze()
signal.signal(signal.SIGTERM, terminate)
serve()
