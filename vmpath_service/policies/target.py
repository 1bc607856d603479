"""``target``: the operator's own placement, from a file."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model import files, semantics
from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput, InvalidTarget
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies import shortage
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, named_placement, obstacle
from vmpath_service.policies.legality import problems
from vmpath_service.policies.scope import reach


class TargetPolicy(Policy):
    """Puts instances where a file says (``vmpath-placement/1``); who is not named stays.

    The file is read when the policy decides. It may not take instances away (null), touch hosts outside the
    scope, or ask for what no rule allows: one sentence says what is wrong. Instances that may not be migrated
    stay, and are listed with the reason, provided that the rest makes sense without them. With
    ``max_migrations`` only as many instances move, such that each has room at its turn.

    The score is the number of instances that are not where the file wants them.
    """

    name = "target"
    summary = "Puts instances where a file says."
    asks_for_all = True
    options = (Option("file", "string", "Path of a placement file (vmpath-placement/1)."),)

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        path, wanted = self._read(cloud)
        within = set(reach(cloud, scope, self.settings).inside)
        instances, hosts = cloud.snapshot.instances, cloud.snapshot.hosts
        leftovers: list[Leftover] = []
        movers: list[int] = []
        for guest, host in sorted(wanted.items()):
            home = cloud.home[guest]
            if host == home:
                continue
            outside = next((at for at in (home, host) if at >= 0 and at not in within), None)
            if outside is not None:
                raise InvalidInput(
                    f"{path}: {instances[guest].label()} would go from {_name(cloud, home)} to {hosts[host].name}, "
                    f"but {hosts[outside].name} is outside the scope"
                )
            reason = obstacle(cloud, guest)
            if reason is None:
                movers.append(guest)
            else:
                leftovers.append(Leftover(instances[guest].uuid, _name(cloud, home), reason))
        where = list(cloud.home)
        for guest in movers:
            where[guest] = wanted[guest]
        wrong = list(problems(cloud, where))
        if wrong:
            more = f" (and {len(wrong) - 1} more such problems)" if len(wrong) > 1 else ""
            stay = f"; {len(leftovers)} instances that it names may not be migrated" if leftovers else ""
            raise InvalidTarget(f"{path}: {wrong[0]}{more}{stay}")
        limit = read.whole(self.settings, "max_migrations")
        short = None
        if limit is not None and len(movers) > limit:
            where, moved = _some(cloud, movers, wanted, limit)
            short = shortage.limited(len(movers) - moved, limit)
        return Decision(
            placement=named_placement(cloud, where),
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            leftovers=tuple(leftovers),
            shortage=short,
        )

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        _, wanted = self._read(cloud)
        misplaced = [guest for guest, host in wanted.items() if where[guest] != host]
        memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in misplaced)
        value = float(len(misplaced))
        return Score(value, "misplaced instances", {"instances": value, "memory_mb": float(memory)})

    def _read(self, cloud: CompiledCloud) -> tuple[str, dict[int, int]]:
        path = read.text(self.settings, "file")
        if not path:
            raise InvalidInput("target: no file is named; name one with --set file=PATH")
        placement = files.load_placement(path)
        gone = [uuid for uuid, host in placement.placement.items() if host is None]
        if gone:
            raise InvalidTarget(f"{path}: a policy moves instances, but {gone[0]!r} is to be taken away (null)")
        semantics.check_target(cloud.snapshot, placement, departures=False)
        return path, {
            cloud.instance_index[uuid]: cloud.host_index[host]
            for uuid, host in placement.placement.items()
            if host is not None
        }


def _some(cloud: CompiledCloud, movers: Sequence[int], wanted: dict[int, int], limit: int) -> tuple[list[int], int]:
    """Move as many as the limit allows, each when there is room for it; where all are then, and how many moved."""
    board = Board(cloud, sorted(set(wanted.values())))
    waiting = list(movers)
    moved = True
    while moved and waiting:
        moved = False
        for guest in list(waiting):
            if len(board.moved) >= limit:
                return board.accounts.where, len(board.moved)
            if board.may_arrive(guest, wanted[guest]):
                board.move(guest, wanted[guest])
                waiting.remove(guest)
                moved = True
    return board.accounts.where, len(board.moved)


def _name(cloud: CompiledCloud, host: int) -> str:
    return cloud.snapshot.hosts[host].name if host >= 0 else "nowhere"
