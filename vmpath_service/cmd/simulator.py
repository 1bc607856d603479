"""vmpath-simulator: serve a simulated cloud, or make up one."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

import msgspec

from vmpath_service.model import files
from vmpath_service.model.errors import InvalidInput, VmpathError
from vmpath_service.rpc.transport import use_threads
from vmpath_service.simulator import chaos
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.faults import HttpFault, parse_fault, read_faults
from vmpath_service.simulator.notifier import TOPIC, Broker
from vmpath_service.simulator.sample import make_sample
from vmpath_service.simulator.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 it failed, 2 bad usage or input."""
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
    except VmpathError as error:
        print(f"vmpath-simulator: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, InvalidInput) else 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vmpath-simulator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    defaults = Settings()

    serve = commands.add_parser("serve", help="serve a simulated cloud until told to end")
    serve.set_defaults(run=_serve)
    serve.add_argument("--snapshot", required=True, metavar="FILE", help="what the cloud holds")
    serve.add_argument(
        "--clock-factor",
        type=_positive,
        default=1.0,
        metavar="F",
        help="simulated seconds per real second (1)",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=0, help="port to listen on (0: any free one)")
    serve.add_argument(
        "--migration-mbps",
        type=_positive,
        default=defaults.migration_mbps,
        metavar="N",
        help="rate of a live migration, Mbit/s (%(default)s)",
    )
    serve.add_argument(
        "--host-mbps",
        type=_positive,
        metavar="N",
        help="what the migrations from a host share, and those to it, Mbit/s (no limit)",
    )
    serve.add_argument(
        "--concurrent-live-migrations",
        type=_at_least_one,
        default=defaults.concurrent_live_migrations,
        metavar="N",
        help="live migrations that a source carries out at once (%(default)s)",
    )
    serve.add_argument(
        "--overhead",
        type=_positive,
        default=defaults.overhead_s,
        metavar="SECONDS",
        help="what a live migration takes besides copying (%(default)s)",
    )
    serve.add_argument(
        "--aborts-end-in-error",
        action="store_true",
        help="let an abort that ended cleanly turn into ERROR some moments later, as libvirt does in Nova 32 to 34",
    )
    serve.add_argument(
        "--token-lifetime",
        type=_positive,
        default=defaults.token_lifetime_s,
        metavar="SECONDS",
        help="life of a token in real seconds (%(default)s)",
    )
    serve.add_argument(
        "--deny",
        action="append",
        default=[],
        metavar="RULE",
        help="a rule of Nova's or Placement's policy that shall not hold for the administrator",
    )
    serve.add_argument("--clouds-yaml", metavar="OUT", help="write a clouds.yaml with simulated, simulated-demo")
    serve.add_argument("--faults", metavar="FILE", help="faults, one of --fault's on each line")
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND:METHOD:PATH-REGEX[:COUNT]",
        help="the next COUNT matching requests meet KIND: drop-before, drop-after, slow or a status",
    )
    serve.add_argument(
        "--chaos",
        action="append",
        default=[],
        metavar="RATE|NAME=NUMBER",
        help="share of requests and migrations that something befalls, and what others do for each"
        " server and hour; or one rate by its name, such as drop_after=0.1",
    )
    serve.add_argument("--seed", type=int, default=0, help="what chance starts from (0)")
    serve.add_argument(
        "--notify",
        metavar="TRANSPORT_URL",
        help="send Nova's versioned notifications there, such as rabbit://guest:guest@127.0.0.1:5672/",
    )
    serve.add_argument("--notify-topic", default=TOPIC, metavar="TOPIC", help="the topic of these (%(default)s)")
    serve.add_argument(
        "--no-state-change-notifications",
        action="store_true",
        help="send no instance.update, as Nova does without notify_on_state_change",
    )
    serve.add_argument("--threads", type=_at_least_one, default=8, help="threads that serve (8)")
    serve.add_argument("-f", "--format", choices=("plain", "json"), default="plain")

    sample = commands.add_parser("sample", help="make up a cloud and write its snapshot")
    sample.set_defaults(run=_sample)
    sample.add_argument("--hosts", type=_at_least_one, default=20)
    sample.add_argument("--instances", type=_not_negative, default=200)
    sample.add_argument("--seed", type=int, default=1)
    sample.add_argument("--fill", type=float, default=0.55, help="share of all memory that is taken (0.55)")
    sample.add_argument("--zones", type=_at_least_one, default=1)
    sample.add_argument("-o", "--output", required=True, metavar="FILE")
    return parser


def _serve(parsed: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    faults = [_fault(text) for text in parsed.fault]
    if parsed.faults:
        faults += read_faults(parsed.faults)
    try:
        disturbed = chaos.parse(parsed.chaos, parsed.seed)
    except ValueError as error:
        raise InvalidInput(f"--chaos: {error}") from error
    settings = Settings(
        migration_mbps=parsed.migration_mbps,
        host_mbps=parsed.host_mbps,
        concurrent_live_migrations=parsed.concurrent_live_migrations,
        overhead_s=parsed.overhead,
        aborts_end_in_error=parsed.aborts_end_in_error,
        token_lifetime_s=parsed.token_lifetime,
        denied_rights=frozenset(parsed.deny),
    )
    cloud = SimulatedCloud(
        files.load_snapshot(parsed.snapshot),
        clock=ScaledClock(parsed.clock_factor),
        settings=settings,
        faults=tuple(faults),
        chaos=disturbed,
        broker=_broker(parsed),
        host=parsed.host,
        port=parsed.port,
        threads=parsed.threads,
    )
    # What is loaded stays: looking through all of it again and again costs a big cloud seconds.
    gc.collect()
    gc.freeze()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        cloud.start()
    except ValueError as error:
        raise InvalidInput(f"--notify: {error}") from error
    except OSError as error:
        raise VmpathError(f"cannot listen on {parsed.host} port {parsed.port}: {error.strerror or error}") from error
    try:
        if parsed.clouds_yaml:
            files.write_bytes(cloud.clouds_yaml_text().encode(), parsed.clouds_yaml)
        _announce(cloud, parsed)
        ended.wait()
    finally:
        cloud.stop()
    for what, count in sorted(cloud.unknown_requests.items()):
        print(f"not simulated, but asked for {count} times: {what}", file=sys.stderr)  # noqa: T201
    return 0


def _broker(parsed: argparse.Namespace) -> Broker | None:
    if parsed.notify is None:
        return None
    use_threads()
    return Broker(parsed.notify, parsed.notify_topic, not parsed.no_state_change_notifications)


def _announce(cloud: SimulatedCloud, parsed: argparse.Namespace) -> None:
    line = cloud.auth_url
    if parsed.format == "json":
        ready = {
            "auth_url": cloud.auth_url,
            "clouds_yaml": os.path.abspath(parsed.clouds_yaml) if parsed.clouds_yaml else None,
            "clouds": list(cloud.clouds()),
            "pid": os.getpid(),
        }
        line = json.dumps(ready)
    print(line, flush=True)  # noqa: T201


def _sample(parsed: argparse.Namespace) -> int:
    try:
        snapshot = make_sample(parsed.hosts, parsed.instances, parsed.seed, parsed.fill, parsed.zones)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    # `format` equals its default, which the encoder leaves out, but readers insist on it.
    document = {"format": snapshot.format, **msgspec.to_builtins(snapshot)}
    files.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1), parsed.output)
    return 0


def _fault(text: str) -> HttpFault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise InvalidInput(f"--fault {error}") from error


def _positive(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


if __name__ == "__main__":
    sys.exit(main())
