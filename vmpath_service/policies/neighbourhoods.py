"""Fewer migrations to the same hosts, with OR-Tools where it is installed: large neighbourhood search by CP-SAT.

A few hosts between which instances are exchanged are taken together, everything on them is placed anew such that as
much as possible stays at home, and so on with the next few. Instances of one kind are counted, not told apart, so that
such a problem has a hundred or two variables; most are solved to the optimum in some hundredths of a second. One
worker, a fixed seed and limits in CP-SAT's deterministic time: the same cloud gives the same placement.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

from vmpath_service.pathfinder.cp_sat import available
from vmpath_service.policies.board import Board, obstacle
from vmpath_service.policies.exchanges import settled

# Hosts of a neighbourhood, and how long one is worked on at most, in CP-SAT's deterministic seconds. One of six hosts
# gains less than twice what one of four does, and takes six times as long.
_HOSTS = 4
_EFFORT = 0.2
# After so many neighbourhoods in a row that gained nothing it is over.
_PATIENCE = 25

Kind = tuple[int, int]


def improve_by_neighbourhoods(board: Board, hosts: Sequence[int], number: int, save: str) -> bool:
    """Put instances back home by placing anew what is on a few hosts at a time; never one more away than before.

    Whether OR-Tools was used for it. ``hosts``: those in use that may receive; no other host is touched. ``number``:
    how many neighbourhoods are worked on at most. ``save``: ``migrations`` or ``memory``. Does nothing where OR-Tools
    is missing, or where it matters on which way an instance comes (vetoes, migrations that are possible between some
    hosts only).
    """
    cloud = board.cloud
    if not number or cloud.vetoes or not cloud.free_passage() or not available():
        return False
    search = _Search(board, hosts, save)
    idle = 0
    for _ in range(number):
        chosen = search.choose()
        if not chosen or idle >= _PATIENCE:
            break
        idle = 0 if search.solve(chosen) else idle + 1
    return True


class _Search:
    def __init__(self, board: Board, hosts: Sequence[int], save: str) -> None:
        self.board = board
        self.save = save
        used, limits = board.accounts.used, board.limits
        self._hosts = frozenset(
            host for host in hosts if all(now <= most for now, most in zip(used[host], limits[host], strict=True))
        )
        self._chance = random.Random(0)
        self._flow: Counter[tuple[int, int]] = Counter()
        """Home and host of those who are away from a host that is in use: how many."""
        for guest in board.moved:
            ends = board.cloud.home[guest], board.accounts.where[guest]
            if self._hosts.issuperset(ends):
                self._flow[ends] += 1

    def choose(self) -> list[int]:
        """A few hosts, each the home of instances that are on another of them; nothing where nobody could go home."""
        if not self._flow:
            return []
        pairs = sorted(self._flow)
        chosen = list(self._chance.choices(pairs, [self._flow[pair] for pair in pairs])[0])
        near: Counter[int] = Counter()
        beside: dict[int, list[tuple[int, int]]] = {}
        for (one, two), count in sorted(self._flow.items()):
            beside.setdefault(one, []).append((two, count))
            beside.setdefault(two, []).append((one, count))
        for host in chosen:
            near.update(dict(beside[host]))
        while len(chosen) < _HOSTS:
            ranked = sorted(host for host in near if host not in chosen)
            if not ranked:
                break
            host = self._chance.choices(ranked, [near[each] for each in ranked])[0]
            chosen.append(host)
            near.update(dict(beside[host]))
        return chosen

    def solve(self, hosts: Sequence[int]) -> bool:
        """Place anew what is on these hosts; whether that saved anything."""
        from ortools.sat.python import cp_model

        cloud, where = self.board.cloud, self.board.accounts.where
        kinds: dict[Kind, list[int]] = {}
        for host in hosts:
            for guest in self.board.guests[host]:
                if obstacle(cloud, guest) is None and cloud.admits(guest, host) and guest not in cloud.also_at:
                    # members of groups stand for themselves
                    kind = cloud.class_of[guest], guest if guest in cloud.counters_of else -1
                    kinds.setdefault(kind, []).append(guest)
        model = cp_model.CpModel()
        there: dict[tuple[Kind, int], cp_model.IntVar] = {}
        stays = []
        now = 0
        for kind, guests in kinds.items():
            at_home = Counter(cloud.home[guest] for guest in guests)
            at_present = Counter(where[guest] for guest in guests)
            worth = 1 if self.save == "migrations" else max(1, cloud.snapshot.instances[guests[0]].memory_mb())
            for host in hosts:
                if not cloud.admits(guests[0], host):
                    continue
                count = there[kind, host] = model.new_int_var(0, len(guests), "")
                model.add_hint(count, at_present[host])
                if most := at_home[host]:
                    stay = model.new_int_var(0, most, "")
                    model.add(stay <= count)
                    model.add_hint(stay, min(most, at_present[host]))
                    stays.append(worth * stay)
                    now += worth * min(most, at_present[host])
            model.add(sum(there[kind, host] for host in hosts if (kind, host) in there) == len(guests))
        for host in hosts:
            self._limit(model, there, kinds, host)
        model.maximize(sum(stays))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = _EFFORT
        # on problems this small they cost more than they save
        solver.parameters.cp_model_probing_level = 0
        solver.parameters.symmetry_level = 0
        status = solver.solve(model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or round(solver.objective_value) <= now:
            return False
        for kind, guests in kinds.items():
            self._settle(guests, {host: solver.value(there[kind, host]) for host in hosts if (kind, host) in there})
        return True

    def _limit(
        self,
        model: cp_model.CpModel,
        there: dict[tuple[Kind, int], cp_model.IntVar],
        kinds: dict[Kind, list[int]],
        host: int,
    ) -> None:
        """What the host may hold of those that are placed anew, beside what stays there in any case."""
        board, cloud = self.board, self.board.cloud
        free = [(kind, guests[0]) for kind, guests in kinds.items() if (kind, host) in there]
        present = [guest for guests in kinds.values() for guest in guests if board.accounts.where[guest] == host]
        for at, most in enumerate(board.limits[host]):
            fixed = board.accounts.used[host][at] - sum(cloud.demand(guest)[at] for guest in present)
            model.add(sum(cloud.demand(guest)[at] * there[kind, host] for kind, guest in free) <= most - fixed)
        members: dict[int, list[Kind]] = {}
        for kind, guest in free:
            for counter in cloud.counters_of.get(guest, ()):
                members.setdefault(counter, []).append(kind)
        for counter, own in members.items():
            counted = sum(counter in cloud.counters_of.get(guest, ()) for guest in present)
            others = board.accounts.counts[counter].get(host, 0) - counted
            room = max(counted, cloud.counter_limits[counter] - others)
            model.add(sum(there[kind, host] for kind in own) <= room)

    def _settle(self, guests: Sequence[int], places: dict[int, int]) -> None:
        """Put instances of one kind on these hosts, so many on each: at home, where they are, or anywhere."""
        board, home = self.board, self.board.cloud.home
        for guest, host in settled(guests, home, board.accounts.where, places).items():
            here = board.accounts.where[guest]
            if host == here:
                continue
            if self._hosts.issuperset((home[guest], here)) and home[guest] != here:
                self._flow[home[guest], here] -= 1
                if not self._flow[home[guest], here]:
                    del self._flow[home[guest], here]
            board.move(guest, host)
            if home[guest] in self._hosts and home[guest] != host:
                self._flow[home[guest], host] += 1
