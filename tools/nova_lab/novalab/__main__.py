"""The commands of ``lab`` after everything is installed."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import time

from keystoneauth1 import exceptions

from novalab import processes, reset
from novalab.control_plane import ControlPlane
from novalab.settings import NOTIFICATION_TOPIC, LabError, Layout, Settings

DEFAULT_COMPUTES = 6
MOST_COMPUTES = 64


def main() -> int:
    arguments = _parser().parse_args()
    layout = Layout.from_environment()
    try:
        return int(arguments.action(layout, arguments) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except (exceptions.ClientException, OSError) as error:
        print(f"lab: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"lab: is it up? see 'lab status' and the logs in {layout.logs}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; the same command again carries on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up")
    up.add_argument("--computes", type=_number, help="at least that many hosts")
    up.set_defaults(action=_up)
    down = commands.add_parser("down")
    down.add_argument("--wipe", action="store_true", help="forget the databases too")
    down.set_defaults(action=_down)
    commands.add_parser("reset").set_defaults(action=_reset)
    status = commands.add_parser("status")
    status.add_argument("--json", action="store_true")
    status.set_defaults(action=_status)
    commands.add_parser("env").set_defaults(action=_env)
    for name, action in (
        ("kill-compute", _kill_compute),
        ("stop-compute", _stop_compute),
        ("start-compute", _start_compute),
    ):
        command = commands.add_parser(name)
        command.add_argument("number", type=_number)
        command.set_defaults(action=action)
    return parser


def _number(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MOST_COMPUTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of computes from 1 to {MOST_COMPUTES}"
        )
    return int(text)


def _plane(layout: Layout) -> ControlPlane:
    settings = layout.load_settings()
    if settings is None:
        raise LabError(f"no lab in {layout.base}: run 'lab up' first")
    return ControlPlane(layout, settings)


def _up(layout: Layout, arguments: argparse.Namespace) -> None:
    saved = layout.load_settings()
    settings = Settings.from_environment(saved)
    plane = ControlPlane(layout, settings)
    computes = max(arguments.computes or DEFAULT_COMPUTES, *plane.compute_numbers(), 1)
    if saved and saved != settings:
        if (saved.ports(), saved.password) != (settings.ports(), settings.password):
            raise LabError(
                f"the lab in {layout.base} was made with other ports or another password:"
                " run 'lab down --wipe' first"
            )
        if any(processes.pid_of(layout, name) for name in processes.names(layout)):
            raise LabError("other settings while the lab runs: run 'lab down' first")
    if saved == settings and plane.running(computes):
        print(f"already up: OS_CLIENT_CONFIG_FILE={layout.clouds} OS_CLOUD=novalab")
        return
    plane.up(computes)


def _down(layout: Layout, arguments: argparse.Namespace) -> None:
    settings = layout.load_settings()
    if settings is not None:
        ControlPlane(layout, settings).down()
    if arguments.wipe:
        shutil.rmtree(layout.run, ignore_errors=True)
        layout.clouds.unlink(missing_ok=True)


def _reset(layout: Layout, arguments: argparse.Namespace) -> None:
    reset.reset(_plane(layout))


def _status(layout: Layout, arguments: argparse.Namespace) -> int:
    plane = _plane(layout)
    numbers = plane.compute_numbers()
    pids = {name: processes.pid_of(layout, name) for name in processes.names(layout)}
    ready = bool(numbers) and plane.running(len(numbers))
    if arguments.json:
        report = {
            "ready": ready,
            "directory": str(layout.base),
            "clouds_file": str(layout.clouds),
            "logs": str(layout.logs),
            "computes": [f"compute{number}" for number in numbers],
            "processes": pids,
            "memory_mib": round(sum(_memory(pid) for pid in pids.values() if pid)),
            "keystone": plane.settings.keystone_url,
            "nova": plane.settings.nova_url,
            "nova_deferring": plane.settings.deferring_nova_url,
            "placement": plane.settings.placement_url,
            "database_socket": str(layout.socket),
            "broker": plane.settings.broker_url,
            "notification_topic": NOTIFICATION_TOPIC,
            "max_live_migrations": plane.settings.max_live_migrations,
        }
        print(json.dumps(report, indent=2))
    else:
        for name, pid in pids.items():
            print(f"{name:12} {f'pid {pid}' if pid else 'ended'}")
        print(f"{'ready' if ready else 'NOT READY'}; clouds.yaml: {layout.clouds}")
    return 0 if ready else 1


def _memory(leader: int) -> float:
    """MiB of the process group that *leader* leads, shared pages divided among their users."""
    total = 0.0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.getpgid(int(entry)) != leader:
                continue
            with open(f"/proc/{entry}/smaps_rollup") as rollup:
                for line in rollup:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) / 1024
        except (OSError, ProcessLookupError):
            continue
    return total


def _env(layout: Layout, arguments: argparse.Namespace) -> None:
    _plane(layout)
    print(f"export OS_CLIENT_CONFIG_FILE={shlex.quote(str(layout.clouds))}")
    print("export OS_CLOUD=novalab")


def _end_compute(layout: Layout, number: int, how: signal.Signals) -> None:
    name = f"compute{number}"
    pid = processes.pid_of(layout, name)
    if pid is None:
        raise LabError(f"{name} does not run")
    os.kill(pid, how)
    deadline = time.monotonic() + 60
    while processes.pid_of(layout, name):
        if time.monotonic() > deadline:
            raise LabError(f"{name} still runs 60 s after {how.name}")
        time.sleep(0.05)


def _kill_compute(layout: Layout, arguments: argparse.Namespace) -> None:
    _end_compute(layout, arguments.number, signal.SIGKILL)


def _stop_compute(layout: Layout, arguments: argparse.Namespace) -> None:
    _end_compute(layout, arguments.number, signal.SIGTERM)


def _start_compute(layout: Layout, arguments: argparse.Namespace) -> None:
    plane = _plane(layout)
    fresh = arguments.number not in plane.compute_numbers()
    plane.start_compute(arguments.number)
    if fresh:
        plane.up(max(plane.compute_numbers()))


if __name__ == "__main__":
    sys.exit(main())
