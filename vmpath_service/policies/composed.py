"""Several policies, one after the other: ``driver = heal, drain, balance``."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import OptionValue
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import held, ordered_placement
from vmpath_service.policies.deciding import as_if
from vmpath_service.policies.guards import GUARDS

# What a score counts beside that of the next policy.
_GREATER = 1e4
# Policies are gone through so often at most: what a later one does may open a way for an earlier one.
_ROUNDS = 6


@dataclass(slots=True)
class _Run:
    """Where everything is, and what is to be told of it."""

    where: list[int]
    disable: dict[str, None] = field(default_factory=dict)
    order: dict[int, None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    left: dict[str, Leftover] = field(default_factory=dict)
    in_use: dict[str, str] = field(default_factory=dict)

    def take(self, cloud: CompiledCloud, name: str, where: list[int], decision: Decision) -> None:
        """Go on from what a policy has decided."""
        self.where = where
        for uuid in decision.placement:
            self.order[cloud.instance_index[uuid]] = None
        self.reasons |= {uuid: f"{name}: {text}" for uuid, text in decision.reasons.items()}
        self.notes += [f"{name}: {note}" for note in decision.notes]
        self.short += [f"{name}: {decision.shortage}"] if decision.shortage else []
        self.left |= {each.instance: each for each in decision.leftovers}
        self.in_use |= {host: f"{name}: {text}" for host, text in decision.in_use.items()}
        self.disable |= dict.fromkeys(decision.disable)


class ComposedPolicy(Policy):
    """Several policies, each of which works on the target of the one before; their joint target is the target.

    Hosts that one of them disables or empties take nothing in from those that follow. A policy is left out where it
    would spoil what an earlier one has reached. They are gone through again while that moves anything. The score is
    that of the last policy; those of the others count ten thousand times what the next one counts.
    """

    drivers: ClassVar[tuple[type[Policy], ...]]

    def __init__(self, settings: Mapping[str, OptionValue]) -> None:
        super().__init__(settings)
        self._parts = tuple(kind(_own(kind, self.drivers, settings)) for kind in self.drivers)

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        before = self.score(cloud, cloud.home, scope)
        run = _Run(list(cloud.home))
        for _ in range(_ROUNDS):
            start = list(run.where)
            run = _Run(start, disable=run.disable, order=run.order, reasons=run.reasons)
            self._once(cloud, scope, run)
            if run.where == start:
                break
        where, order, after = run.where, run.order, self.score(cloud, run.where, scope)
        if after.value >= before.value:
            where, order, after = list(cloud.home), {}, before
        placement = ordered_placement(cloud, order, where)
        counts, at_start = held(cloud, where), held(cloud, cloud.home)
        hosts = cloud.snapshot.hosts
        return Decision(
            placement=placement,
            before=before,
            after=after,
            leftovers=tuple(each for uuid, each in run.left.items() if uuid not in placement),
            disable=tuple(name for name in run.disable if name not in placement.values()),
            emptied=tuple(host.name for at, host in enumerate(hosts) if at_start[at] and not counts[at]),
            in_use={name: text for name, text in run.in_use.items() if counts[cloud.host_index[name]]},
            shortage="; ".join(run.short) or None,
            notes=tuple(run.notes),
            reasons={uuid: run.reasons[uuid] for uuid in placement if uuid in run.reasons},
        )

    def _once(self, cloud: CompiledCloud, scope: Scope, run: _Run) -> None:
        """All policies in turn."""
        closed = dict(run.disable)
        limit = read.whole(self.settings, "max_migrations")
        for number, policy in enumerate(self._parts):
            part = policy
            if limit is not None:
                rest = limit - sum(where != home for where, home in zip(run.where, cloud.home, strict=True))
                if rest <= 0:
                    late = f"{part.name}: not begun, max_migrations = {limit} is used up"
                    (run.short if part.asks_for_all else run.notes).append(late)
                    continue
                part = type(part)({**part.settings, "max_migrations": rest})
            mine = self._scope_for(part, scope)
            decision = part.decide(as_if(cloud, run.where, closed), mine)
            there = list(run.where)
            for uuid, name in decision.placement.items():
                there[cloud.instance_index[uuid]] = cloud.host_index[name]
            spoiled = self._spoiled(cloud, number, run.where, there, scope)
            if spoiled:
                run.notes.append(f"{part.name}: left out, it would spoil what {spoiled} has reached")
                continue
            run.take(cloud, part.name, there, decision)
            closed |= dict.fromkeys((*decision.disable, *decision.emptied))

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        value = 0.0
        terms: dict[str, float] = {}
        for part in self._parts:
            found = part.score(cloud, where, self._scope_for(part, scope))
            value = value * _GREATER + found.value
            terms[f"{part.name}: {found.unit}"] = found.value
        return Score(value, "points of all policies", terms)

    def _scope_for(self, part: Policy, scope: Scope) -> Scope:
        """Where one of the policies empties the hosts that a request names, the others may touch all."""
        if part.hosts_are_sources or not any(each.hosts_are_sources for each in self._parts):
            return scope
        return dataclasses.replace(scope, hosts=())

    def _spoiled(
        self, cloud: CompiledCloud, number: int, where: Sequence[int], there: Sequence[int], scope: Scope
    ) -> str | None:
        """The earlier policy whose score is worse with these placements, or None."""
        for part in self._parts[:number]:
            mine = self._scope_for(part, scope)
            if part.score(cloud, there, mine).value > part.score(cloud, where, mine).value + 1e-9:
                return part.name
        return None


@functools.cache
def composed(drivers: tuple[type[Policy], ...]) -> type[ComposedPolicy]:
    """The policy that is these one after the other.

    Its options are theirs: by their names, or as ``DRIVER.OPTION`` where several have one of that name. Raises
    InvalidInput for one driver twice.
    """
    names = [kind.name for kind in drivers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"driver {', '.join(names)}: found {twice!r} twice")
    options = tuple(
        dataclasses.replace(option, name=_known_as(kind, option.name, drivers))
        for kind in drivers
        for option in kind.options
    )
    return type(
        "ComposedPolicy",
        (ComposedPolicy,),
        {
            "name": ", ".join(names),
            "summary": f"One after the other: {', '.join(names)}.",
            "__doc__": ComposedPolicy.__doc__,
            "options": options,
            "drivers": drivers,
            "asks_for_all": any(kind.asks_for_all for kind in drivers),
        },
    )


def _known_as(kind: type[Policy], option: str, drivers: Iterable[type[Policy]]) -> str:
    shared = sum(any(each.name == option for each in other.options) for other in drivers) > 1
    return f"{kind.name}.{option}" if shared else option


def _own(
    kind: type[Policy], drivers: Iterable[type[Policy]], settings: Mapping[str, OptionValue]
) -> dict[str, OptionValue]:
    own = {option.name: settings[_known_as(kind, option.name, drivers)] for option in kind.options}
    return own | {option.name: settings[option.name] for option in GUARDS}
