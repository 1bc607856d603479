"""Replaying the waves and the predicted schedule of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmpath_service.model.plan import HostStep, Migration, Plan
from vmpath_service.pathfinder.replay.accounts import Accounts, Rulebook
from vmpath_service.pathfinder.replay.sequence import ordered_steps

# Rates add up as floats; times are written in milliseconds.
RELATIVE = 1e-6
MILLISECOND = 1e-3


def wave_problems(rules: Rulebook, plan: Plan) -> Iterator[str]:
    """Whether each wave may start at once and end before the next one starts."""
    wave_of = {migration.id: migration.wave for migration in plan.migrations}
    waves: dict[int, list[Migration]] = {}
    for migration in plan.migrations:
        waves.setdefault(migration.wave, []).append(migration)
        for earlier in migration.after:
            if earlier in wave_of and wave_of[earlier] >= migration.wave:
                yield (
                    f"migration {migration.id} of wave {migration.wave} is after migration {earlier},"
                    f" which is in wave {wave_of[earlier]}"
                )
    accounts = Accounts(rules, plan.departures)
    members_of = _members(rules)
    for wave in sorted(waves):
        outgoing: dict[str, int] = {}
        incoming: dict[str, int] = {}
        in_group: dict[str, int] = {}
        moving: list[Migration] = []
        for migration in waves[wave]:
            if accounts.where[migration.instance] != migration.source:
                yield f"wave {wave}: the instance of migration {migration.id} is not on {migration.source} then"
                continue
            moving.append(migration)
            outgoing[migration.source] = outgoing.get(migration.source, 0) + 1
            incoming[migration.dest] = incoming.get(migration.dest, 0) + 1
            for group in members_of.get(migration.instance, ()):
                in_group[group] = in_group.get(group, 0) + 1
            accounts.hold(migration.instance, migration.dest)
        for migration in moving:
            excess = accounts.excess(migration.instance, migration.dest)
            if excess:
                yield f"wave {wave}: migration {migration.id} cannot start with the others: {excess}"
        limits = plan.limits
        yield from _over(f"wave {wave}: outgoing migrations of", outgoing, limits.per_host)
        yield from _over(f"wave {wave}: incoming migrations of", incoming, limits.per_host)
        yield from _over(f"wave {wave}: migrations of server group", in_group, limits.per_group)
        yield from _over("in one wave: migrations of", {f"wave {wave}": len(waves[wave])}, limits.in_total)
        for migration in moving:
            accounts.release(migration.instance, migration.source)
            accounts.where[migration.instance] = migration.dest


def schedule_problems(rules: Rulebook, plan: Plan) -> Iterator[str]:
    """Whether the predicted times respect ``after``, the limits, the boots and the links."""
    end = {step.id: step.end_s for step in ordered_steps(plan)}
    for step in ordered_steps(plan):
        what = f"host step {step.id}" if isinstance(step, HostStep) else f"migration {step.id}"
        if step.end_s < step.start_s or (isinstance(step, Migration) and step.end_s <= step.start_s):
            yield f"{what}: ends at {step.end_s} s, starts at {step.start_s} s"
        for earlier in step.after:
            if step.start_s < end[earlier] - RELATIVE * max(1.0, end[earlier]):
                yield f"{what}: starts at {step.start_s} s, before {earlier} ends at {end[earlier]} s"
        if isinstance(step, HostStep) and step.action == "power-on":
            boot = rules.hosts[step.host].boot_s
            if step.end_s - step.start_s < boot - MILLISECOND:
                yield f"{what}: {step.host} takes {boot:g} s to come up, planned are {step.end_s - step.start_s:g} s"
    network = rules.snapshot.network
    links = network.links if network is not None else {}
    members_of = _members(rules)
    limit_of: dict[tuple[str, str], float] = {}
    events: list[tuple[float, int, int]] = []
    for number, migration in enumerate(plan.migrations):
        slack = RELATIVE * max(1.0, migration.end_s)
        events += [(migration.end_s - slack, 0, number), (migration.start_s, 1, number)]
    load: dict[tuple[str, str], float] = {}
    told: set[tuple[str, str]] = set()
    uses: list[list[tuple[tuple[str, str], float]]] = []
    for migration in plan.migrations:
        mine: list[tuple[tuple[str, str], float]] = []

        def use(kind: str, name: str, amount: float, most: float | None) -> None:
            if most is not None:
                limit_of[kind, name] = most
                mine.append(((kind, name), amount))  # noqa: B023 (called in this turn only)

        use("outgoing migrations of", migration.source, 1, plan.limits.per_host)
        use("incoming migrations of", migration.dest, 1, plan.limits.per_host)
        use("migrations", "in total", 1, plan.limits.in_total)
        for group in members_of.get(migration.instance, ()):
            use("migrations of server group", group, 1, plan.limits.per_group)
        fastest = plan.limits.migration_mbps
        if network is not None:
            outward, inward = rules.hosts[migration.source].links, rules.hosts[migration.dest].links
            for direction, here, there in (("outward", outward, inward), ("inward", inward, outward)):
                for link in here:
                    if link not in there:
                        use(f"Mbit/s {direction} on link", link, migration.rate_mbps, links[link])
                        fastest = min(fastest, links[link])
        if not 0 < migration.rate_mbps <= fastest * (1 + RELATIVE):
            yield f"migration {migration.id}: its rate is {migration.rate_mbps:g} Mbit/s, possible are {fastest:g}"
        uses.append(mine)
    for moment, starts, number in sorted(events):
        for key, amount in uses[number]:
            load[key] = load.get(key, 0.0) + (amount if starts else -amount)
            if starts and load[key] > limit_of[key] * (1 + RELATIVE) + RELATIVE and key not in told:
                told.add(key)
                yield (
                    f"migration {plan.migrations[number].id}: at {moment:g} s there are {load[key]:g} {key[0]}"
                    f" {key[1]}, at most {limit_of[key]:g} may be"
                )


def _members(rules: Rulebook) -> Mapping[str, list[str]]:
    members: dict[str, list[str]] = {}
    for group in rules.snapshot.server_groups:
        for member in group.members:
            members.setdefault(member, []).append(group.uuid)
    return members


def _over(what: str, counts: Mapping[str, int], most: int | None) -> Iterator[str]:
    if most is not None:
        for name, count in sorted(counts.items()):
            if count > most:
                yield f"{what} {name}: {count}, at most {most} may be"
