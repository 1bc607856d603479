"""``sharing``: together what can share memory pages, on few hosts."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Policy, Scope, Score
from vmpath_service.policies.board import Board, held, obstacle, ordered_placement
from vmpath_service.policies.course import Course
from vmpath_service.policies.inuse import HostsInUse
from vmpath_service.policies.pages import LEVELS, PageModel, SharedMemory
from vmpath_service.policies.scope import Reach, reach
from vmpath_service.policies.staying import fixed

_KINDS = (*LEVELS, "image")


class SharingPolicy(Policy):
    """Frees hosts by bringing together instances that have memory pages in common, which the hypervisor keeps once
    (KSM).

    How much two instances share is estimated by the hierarchical model of Sindelar, Sitaraman and Shenoy (SPAA 2011):
    ``shares`` says which part of an instance's memory is pages of its operating system, its distribution, the version
    of that, its application, its image; the ``*_key`` options say which metadata name them. A host holds the pages of
    each once. Hosts are freed one by one, the least filled first: each instance goes where it adds least to the real
    memory, in the order of the tree, so that relatives arrive together; the real memory of a host stays below
    ``real_memory_limit`` of what it has.

    No host takes in more than Placement counts as its capacity: for hosts to hold more than their memory,
    ``ram_allocation_ratio`` must be above one, and ``real_memory_limit`` is what keeps the guests from swapping then.

    The score is the number of hosts in use. The notes tell how many would be in use without regard to sharing.
    """

    name = "sharing"
    summary = "Brings together what shares memory pages, and frees hosts by that."
    options = (
        Option(
            "shares",
            "share",
            "Which part of an instance's memory is pages of its os, distribution, version, application and image.",
            {"os": 0.1, "distribution": 0.05, "version": 0.1, "application": 0.1, "image": 0.05},
            form="parts of the memory (os, distribution, version, application, image) with percentages that add up to "
            "less than 100, such as os:10%, image:5%",
        ),
        *(
            Option(f"{level}_key", "string", f"Metadata key of the {level} of an instance.", f"{key}")
            for level, key in zip(LEVELS, ("os_type", "os_distro", "os_version", "application"), strict=True)
        ),
        Option(
            "real_memory_limit",
            "number",
            "How full the physical memory of a host may be, as estimated, in points.",
            90.0,
            minimum=1,
            maximum=100,
        ),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        within = reach(cloud, scope, self.settings)
        model = self._model()
        limits = self._limits(cloud)
        aware = _Freeing(cloud, within, model, limits, read.whole(self.settings, "max_migrations"))
        aware.run()
        blind = _Freeing(cloud, within, PageModel({}, {}), limits, None)
        blind.run()
        where = aware.board.accounts.where
        hosts = cloud.snapshot.hosts
        counts, before = held(cloud, where), held(cloud, cloud.home)
        real = SharedMemory(cloud, model, where)
        kept = {host for host in within.inside if counts[host]}
        plain = sum(
            each.memory_mb() for each, host in zip(cloud.snapshot.instances, where, strict=True) if host in kept
        )
        saved = max(0, plain - sum(real.used[host] for host in kept))
        apart = held(cloud, blind.board.accounts.where)
        others = sum(apart[host] > 0 for host in within.inside)
        share = f"{saved / plain:.0%}" if plain else "0%"
        after = self.score(cloud, where, scope)
        start = self.score(cloud, cloud.home, scope)
        moved = dict(aware.board.moved)
        if after.value >= start.value:
            where, after, moved = list(cloud.home), start, {}
        placement = ordered_placement(cloud, moved, where)
        return Decision(
            placement=placement,
            before=start,
            after=after,
            emptied=tuple(hosts[host].name for host in within.inside if before[host] and not counts[host] and moved),
            in_use=self._in_the_way(cloud, sorted(kept), real, where),
            notes=(
                f"{len(kept)} hosts in use; {others} if memory were packed as if nothing were shared",
                f"{saved} MiB of {plain} MiB ({share}) are estimated to be shared",
            ),
            reasons={uuid: aware.reasons[uuid] for uuid in placement},
        )

    def _in_the_way(
        self, cloud: CompiledCloud, in_use: Sequence[int], real: SharedMemory, where: Sequence[int]
    ) -> dict[str, str]:
        """Per host in use what keeps it so, and how much memory is estimated to be shared there."""
        stuck = fixed(cloud, in_use)
        strange = "something counts as used there that no listed instance explains"
        full = "not all of its instances find room elsewhere, as Placement counts and by the real memory estimated"
        plain = dict.fromkeys(in_use, 0)
        for each, host in zip(cloud.snapshot.instances, where, strict=True):
            if host in plain:
                plain[host] += each.memory_mb()
        return {
            cloud.snapshot.hosts[host].name: f"{stuck.get(host) or (strange if any(cloud.taken[host]) else full)} "
            f"(of {plain[host]} MiB there {max(0, plain[host] - real.used[host])} are shared)"
            for host in in_use
        }

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        within = reach(cloud, scope, self.settings)
        counts = held(cloud, where)
        real = SharedMemory(cloud, self._model(), where)
        in_use = sum(counts[host] > 0 for host in within.inside)
        memory = sum(real.used[host] for host in within.inside)
        return Score(float(in_use), "hosts in use", {"hosts": float(in_use), "real_memory_mb": float(memory)})

    def course(self, cloud: CompiledCloud, scope: Scope) -> Course:
        return HostsInUse(cloud, reach(cloud, scope, self.settings).inside)

    def _model(self) -> PageModel:
        shares = read.shares(self.settings, "shares")
        strange = sorted(set(shares) - set(_KINDS))
        if strange or sum(shares.values()) >= 1:
            raise InvalidInput(
                f"sharing: shares must be for {', '.join(_KINDS)} and add up to less than 100%; found "
                f"{', '.join(f'{name}:{part:.0%}' for name, part in shares.items())}"
            )
        return PageModel({level: read.text(self.settings, f"{level}_key") or level for level in LEVELS}, shares)

    def _limits(self, cloud: CompiledCloud) -> list[float]:
        """Real memory that a host may use, in MiB."""
        share = read.number(self.settings, "real_memory_limit") / 100
        limits = []
        for host in cloud.snapshot.hosts:
            memory = host.inventories.get("MEMORY_MB")
            physical = 0
            if memory is not None:
                physical = memory.capacity if memory.capacity is not None else (memory.total or 0) - memory.reserved
            limits.append(share * physical)
        return limits


class _Freeing:
    """Frees hosts one by one, the least filled first, as long as all that is on one finds room elsewhere."""

    def __init__(
        self, cloud: CompiledCloud, within: Reach, model: PageModel, limits: Sequence[float], most: int | None
    ) -> None:
        self.cloud = cloud
        self.real = SharedMemory(cloud, model, cloud.home)
        self.board = Board(cloud, within.destinations)
        self.reasons: dict[str, str] = {}
        self._inside = within.inside
        self._limits = limits
        self._most = most

    def run(self) -> None:
        board, cloud = self.board, self.cloud
        blocked = set(cloud.also_at.values())
        blocked.update(host for host in self._inside if any(cloud.taken[host]))
        blocked.update(
            host for guest, host in enumerate(cloud.home) if host != NOWHERE and obstacle(cloud, guest) is not None
        )
        candidates = [host for host in self._inside if host not in blocked and board.guests[host]]
        # who has arrived somewhere stays there: a host that has taken anything in is not freed any more
        took: set[int] = set()
        for source in sorted(candidates, key=lambda host: (self.real.used[host], host)):
            if source not in took:
                took.update(self._free(source))

    def _free(self, source: int) -> list[int]:
        """Where everything on the host has gone; nothing, and all as before, where not all finds room."""
        board, real, hosts = self.board, self.real, self.cloud.snapshot.hosts
        guests = sorted(board.guests[source], key=lambda guest: (real.nodes[guest], -real.own[guest], guest))
        if self._most is not None and len(board.moved) + len(guests) > self._most:
            return []
        open_hosts = [host for host in board.destinations if host != source and board.guests[host]]
        done: list[int] = []
        for guest in guests:
            best: tuple[int, float, int] | None = None
            for host in open_hosts:
                growth = real.growth(guest, host)
                left = self._limits[host] - real.used[host] - growth
                key = (growth, left, host)
                if left >= 0 and (best is None or key < best) and board.may_arrive(guest, host):
                    best = key
            if best is None:
                for other in done:
                    real.remove(other, board.accounts.where[other])
                    board.move(other, source)
                    real.add(other, source)
                return []
            real.remove(guest, source)
            board.move(guest, best[2])
            real.add(guest, best[2])
            done.append(guest)
            instance = self.cloud.snapshot.instances[guest]
            self.reasons[instance.uuid] = (
                f"{hosts[source].name} is to be freed; of its {instance.memory_mb()} MiB {hosts[best[2]].name} holds "
                f"{instance.memory_mb() - best[0]} already"
            )
        return [board.accounts.where[guest] for guest in done]
