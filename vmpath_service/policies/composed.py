"""Several policies, one after the other: ``driver = heal, drain, balance``."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
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


class ComposedPolicy(Policy):
    """Several policies, each of which works on the target of the one before; their joint target is the target.

    Hosts that one of them disables or empties take nothing in from those that follow. A policy is left out where it
    would spoil what an earlier one has reached. The score is that of the last policy; those of the others count
    ten thousand times what the next one counts.
    """

    drivers: ClassVar[tuple[type[Policy], ...]]

    def __init__(self, settings: Mapping[str, OptionValue]) -> None:
        super().__init__(settings)
        self._parts = tuple(kind(_own(kind, self.drivers, settings)) for kind in self.drivers)

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        where = list(cloud.home)
        before = self.score(cloud, where, scope)
        closed: dict[str, None] = {}
        disable: dict[str, None] = {}
        order: dict[int, None] = {}
        reasons: dict[str, str] = {}
        notes: list[str] = []
        short: list[str] = []
        left: dict[str, Leftover] = {}
        limit = read.whole(self.settings, "max_migrations")
        for number, part in enumerate(self._parts):
            stage = as_if(cloud, where, closed)
            moved = [guest for guest, home in enumerate(cloud.home) if where[guest] != home]
            if limit is not None and len(moved) >= limit:
                late = f"{part.name}: not begun, max_migrations = {limit} is used up"
                (short if part.asks_for_all else notes).append(late)
                continue
            if limit is not None:
                rest: Mapping[str, OptionValue] = {**part.settings, "max_migrations": limit - len(moved)}
                part = type(part)(rest)
            decision = part.decide(stage, self._scope_for(part, scope))
            there = list(where)
            for uuid, name in decision.placement.items():
                there[cloud.instance_index[uuid]] = cloud.host_index[name]
            spoiled = self._spoiled(cloud, number, where, there, scope)
            if spoiled:
                notes.append(f"{part.name}: left out, it would spoil what {spoiled} has reached")
                continue
            where = there
            for uuid in decision.placement:
                order[cloud.instance_index[uuid]] = None
            reasons |= {uuid: f"{part.name}: {text}" for uuid, text in decision.reasons.items()}
            notes += [f"{part.name}: {note}" for note in decision.notes]
            short += [f"{part.name}: {decision.shortage}"] if decision.shortage else []
            left |= {each.instance: each for each in decision.leftovers}
            disable |= dict.fromkeys(decision.disable)
            closed |= dict.fromkeys((*decision.disable, *decision.emptied))
        after = self.score(cloud, where, scope)
        if after.value >= before.value:
            where, order, after = list(cloud.home), {}, before
        placement = ordered_placement(cloud, order, where)
        counts, at_start = held(cloud, where), held(cloud, cloud.home)
        return Decision(
            placement=placement,
            before=before,
            after=after,
            leftovers=tuple(each for uuid, each in left.items() if uuid not in placement),
            disable=tuple(name for name in disable if name not in placement.values()),
            emptied=tuple(
                name for name in closed if not counts[cloud.host_index[name]] and at_start[cloud.host_index[name]]
            ),
            shortage="; ".join(short) or None,
            notes=tuple(notes),
            reasons={uuid: reasons[uuid] for uuid in placement if uuid in reasons},
        )

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
