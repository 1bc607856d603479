"""Every timing of a small plan, tried out."""

from __future__ import annotations

import itertools

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.plan import Migration, Plan

WAITING, RUNNING, ENDED = range(3)


def some_timing_breaks(compiled: CompiledCloud, plan: Plan) -> bool:
    """Whether some interleaving of starts and ends that ``after`` admits starts a migration illegally.

    Host steps are taken to have ended (they do not take room). Exponential: for plans of a few migrations.
    """
    migrations = sorted(plan.migrations, key=lambda each: each.id)
    position = {each.id: number for number, each in enumerate(migrations)}
    needs = [[position[earlier] for earlier in each.after if earlier in position] for each in migrations]
    first = tuple([WAITING] * len(migrations))
    seen, stack = {first}, [first]
    while stack:
        state = stack.pop()
        for number, phase in enumerate(state):
            if phase == ENDED:
                continue
            if phase == WAITING:
                if any(state[earlier] != ENDED for earlier in needs[number]):
                    continue
                if not _starts_well(compiled, plan, migrations, state, number):
                    return True
            following = (*state[:number], phase + 1, *state[number + 1 :])
            if following not in seen:
                seen.add(following)
                stack.append(following)
    return False


def _vetoed(
    compiled: CompiledCloud,
    plan: Plan,
    migrations: list[Migration],
    state: tuple[int, ...],
    where: dict[str, str],
    started: Migration,
) -> bool:
    """Whether a constraint forbids the start, whichever end each of those in flight is taken to be at."""
    instances = compiled.snapshot.instances
    places: dict[str, set[str | None]] = {
        each.uuid: {None if each.uuid in plan.departures else where.get(each.uuid, each.host)} for each in instances
    }
    for flight in compiled.snapshot.in_flight:
        if flight.instance not in plan.departures:
            places[flight.instance] = {flight.source, flight.dest}
    for each, phase in zip(migrations, state, strict=True):
        if phase == RUNNING:
            places[each.instance] = {each.source, each.dest}
    instance = instances[compiled.instance_index[started.instance]]
    host = compiled.snapshot.hosts[compiled.host_index[started.dest]]
    return any(
        veto(instance, host, dict(zip(places, reading, strict=True)))
        for veto in compiled.vetoes
        for reading in itertools.product(*(sorted(each, key=str) for each in places.values()))
    )


def _starts_well(
    compiled: CompiledCloud, plan: Plan, migrations: list[Migration], state: tuple[int, ...], number: int
) -> bool:
    accounts = Occupancy(compiled, [compiled.instance_index[uuid] for uuid in plan.departures])
    where = dict.fromkeys((each.instance for each in migrations), "")
    for each in reversed(migrations):
        where[each.instance] = each.source
    for each, phase in zip(migrations, state, strict=True):
        guest, dest = compiled.instance_index[each.instance], compiled.host_index[each.dest]
        if phase == WAITING:
            continue
        accounts.hold(guest, dest)
        if phase == ENDED:
            accounts.release(guest, compiled.host_index[each.source])
            where[each.instance] = each.dest
    started = migrations[number]
    if where[started.instance] != started.source or _vetoed(compiled, plan, migrations, state, where, started):
        return False
    return accounts.fits(compiled.instance_index[started.instance], compiled.host_index[started.dest])
