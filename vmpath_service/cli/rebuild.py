"""Rebuilding what was on a dead host. Talks to the cloud itself: the service may have died with the host."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vmpath_service.cli.asking import consents
from vmpath_service.cli.client import Client
from vmpath_service.cli.command import Lister
from vmpath_service.model.errors import Conflict, NotFound, VmpathError

if TYPE_CHECKING:
    from vmpath_service.engine.rebuilding import Result

_INCOMPLETE = 1
"""Exit status: something of the host was not rebuilt."""


class RebuildFrom(Lister):
    """Rebuild the instances of a dead host on others (Nova's evacuate).

    What they had in memory is lost, and what they had on the host's own disks. The host must be down and fenced: that
    it is off, or cut off from all storage and networks, you say with --fenced, and Nova must have been told (openstack
    compute service set --down HOST nova-compute). Each is followed to its end. Exit status 1 unless all are rebuilt.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", help="the dead host")
        parser.add_argument(
            "--fenced", action="store_true", help="the host is off, or cut off: nothing runs or writes there any more"
        )
        parser.add_argument(
            "--lose-local-disks",
            action="store_true",
            help="also rebuild instances whose disks are lost with the host, or may be",
        )
        parser.add_argument("--at-once", type=_at_least_one, default=4, metavar="N", help="so many at a time (4)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        from vmpath_service.engine.clock import SystemClock
        from vmpath_service.engine.rebuilding import Outcome, Rebuilding, Result, choose

        options = self.app.options
        cloud = self.app.wiring.cloud(options.os_cloud, options.config_file, options.config_dir)
        host = parsed_args.host
        state = cloud.fencing(host)
        if state is None:
            raise NotFound(f"Nova has no compute service on host {host}")
        if state.up:
            raise Conflict(f"host {host} is up: what runs there can be migrated (vmpath drain {host})")
        if not parsed_args.fenced:
            raise Conflict(
                f"host {host} does not answer, but may still run its guests: fence it, and say so with --fenced"
            )
        if not state.forced_down:
            raise Conflict(
                f"Nova was not told that host {host} is fenced: openstack compute service set --down {host}"
                " nova-compute"
            )
        choice = choose(cloud.read(), host, lose_local_disks=parsed_args.lose_local_disks)
        results = [Result(each.uuid, Outcome.LEFT, host, reason) for each, reason in choice.left]
        if parsed_args.dry_run:
            results += [Result(each.uuid, Outcome.LEFT, host, "would be rebuilt") for each in choice.rebuilt]
        elif choice.rebuilt and self._agreed(parsed_args, len(choice.rebuilt), len(choice.losing)):

            def still_dead() -> bool:
                now = cloud.fencing(host)
                return now is not None and now.forced_down and not now.up

            rebuilding = Rebuilding(cloud, SystemClock(), host, at_once=parsed_args.at_once)
            for result in rebuilding.run(choice.rebuilt, still_dead):
                self._told(result)
                results.append(result)
        else:
            results += [Result(each.uuid, Outcome.LEFT, host, "left alone") for each in choice.rebuilt]
        if any(each.outcome is not Outcome.REBUILT for each in results):
            self.status = _INCOMPLETE
        rows = [(each.instance, each.outcome.value, each.host, each.reason) for each in results]
        return ("instance", "outcome", "host", "reason"), sorted(rows)

    def _agreed(self, parsed_args: argparse.Namespace, rebuilt: int, losing: int) -> bool:
        self._check_freeze()
        if parsed_args.yes:
            return True
        lost = f", {losing} of which lose their disks" if losing else ""
        question = f"rebuild {rebuilt} instances of {parsed_args.host} elsewhere{lost}?"
        return consents(question, self.app.stdin, self.app.stderr)

    def _check_freeze(self) -> None:
        """Nothing new starts while everything is frozen; a service that does not answer cannot say."""
        try:
            freeze = Client(self.app.options.vmpath_url).get("freeze")
        except VmpathError as error:
            self.tell(f"nobody knows whether everything is frozen: {error}")
            return
        if freeze["frozen"]:
            raise Conflict(f"everything is frozen ({freeze['reason']}): nothing is rebuilt before the thaw")

    def _told(self, result: Result) -> None:
        reason = f": {result.reason}" if result.reason else ""
        self.tell(f"{result.instance} {result.outcome.value}, on {result.host or 'no host'}{reason}")


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
