"""Plans for the rest, and ways back, in worlds that have changed in every way at once."""

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import problems
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.snapshot import InFlight
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.replanning import Underway, replan, way_back

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
SETTINGS = PathSettings(departures=True)


def found(problem):
    try:
        plan = find_path(compile_cloud(problem[0]), problem[1], SETTINGS, snapshot_identity="sha256:0")
    except InvalidTarget:
        assume(False)
    assume(plan.outcome == "found" and plan.migrations)
    return plan


@st.composite
def journeys(draw, mishaps=True):
    """A snapshot, a plan for it, how far it came, and the snapshot then: nothing else has changed."""
    snapshot, target = draw(problems())
    plan = found((snapshot, target))
    boots = {step.id for step in plan.host_steps}
    fates = {}
    for step in plan.migrations:
        ready = all(fates.get(each) == "done" for each in step.after if each not in boots)
        choices = ["done", "done", "done", "waiting", *(["in flight", "failed"] if mishaps else [])]
        fates[step.id] = draw(st.sampled_from(choices)) if ready else "waiting"
    done, in_flight, failed = (
        frozenset(each for each, what in fates.items() if what == fate) for fate in ("done", "in flight", "failed")
    )
    underway = Underway(plan, done, in_flight, failed)
    where = {each.uuid: each.host for each in snapshot.instances}
    where.update({each.instance: each.dest for each in plan.migrations if fates[each.id] == "done"})
    instances = tuple(
        msgspec.structs.replace(each, host=where[each.uuid])
        for each in snapshot.instances
        if each.uuid not in plan.departures
    )
    used = {each.host for each in instances}
    hosts = tuple(
        msgspec.structs.replace(each, state="up") if each.state == "off" and each.name in used else each
        for each in snapshot.hosts
    )
    flights = [flight for flight in snapshot.in_flight if flight.instance not in plan.departures]
    listed = draw(st.booleans())
    for step in plan.migrations:
        if fates[step.id] == "in flight" and listed:
            flights.append(InFlight(step.instance, step.source, step.dest))
    groups = tuple(
        msgspec.structs.replace(
            each, members=tuple(member for member in each.members if member not in plan.departures)
        )
        for each in snapshot.server_groups
    )
    now = msgspec.structs.replace(
        snapshot, hosts=hosts, instances=instances, in_flight=tuple(flights), server_groups=groups
    )
    return snapshot, underway, now


def with_flights(snapshot, underway):
    """The snapshot with all that the plan has in flight."""
    known = {flight.instance for flight in snapshot.in_flight}
    there = {each.uuid for each in snapshot.instances}
    hosts = {each.name for each in snapshot.hosts}
    at = {each.uuid: each.host for each in snapshot.instances}
    more = tuple(
        InFlight(each.instance, each.source, each.dest)
        for each in underway.plan.migrations
        if each.id in underway.in_flight
        and each.instance in there - known
        and {each.source, each.dest} <= hosts
        and at[each.instance] in (each.source, each.dest)
    )
    return msgspec.structs.replace(snapshot, in_flight=(*snapshot.in_flight, *more))


@st.composite
def changes(draw, snapshot):
    """The snapshot with hosts and instances gone, moved, grown, shrunk, down or disabled."""
    hosts, instances = list(snapshot.hosts), list(snapshot.instances)
    flying = {flight.instance for flight in snapshot.in_flight}
    for _ in range(draw(st.integers(0, 4))):
        number = draw(st.integers(0, len(instances) - 1))
        chosen = instances[number]
        place = draw(st.integers(0, len(hosts) - 1))
        match draw(st.sampled_from(["moved", "grown", "deleted", "down", "disabled", "smaller", "gone"])):
            case "moved" if chosen.uuid not in flying:
                instances[number] = msgspec.structs.replace(chosen, host=hosts[place].name)
            case "grown":
                more = {name: amount + 2 for name, amount in chosen.resources.items()}
                instances[number] = msgspec.structs.replace(chosen, resources=more)
            case "deleted" if chosen.uuid not in flying and len(instances) > 1:
                del instances[number]
            case "down":
                hosts[place] = msgspec.structs.replace(hosts[place], state="down")
            case "disabled":
                hosts[place] = msgspec.structs.replace(hosts[place], status="disabled")
            case "smaller":
                less = {
                    name: msgspec.structs.replace(each, capacity=each.capacity // 2)
                    for name, each in hosts[place].inventories.items()
                }
                hosts[place] = msgspec.structs.replace(hosts[place], inventories=less)
            case "gone" if len(hosts) > 1:
                name = hosts[place].name
                if all(each.host != name for each in instances) and all(
                    name not in (flight.source, flight.dest) for flight in snapshot.in_flight
                ):
                    del hosts[place]
    there = {each.uuid for each in instances}
    groups = tuple(
        msgspec.structs.replace(each, members=tuple(member for member in each.members if member in there))
        for each in snapshot.server_groups
    )
    return msgspec.structs.replace(snapshot, hosts=tuple(hosts), instances=tuple(instances), server_groups=groups)


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(journeys(), st.data(), st.sampled_from([replan, way_back]), st.booleans())
def test_whatever_has_happened_the_new_plan_holds(journey, data, way, best_effort):
    _, underway, now = journey
    now = data.draw(changes(now))
    options = PathSettings(departures=True, best_effort=best_effort)
    again = way(compile_cloud(now), underway, options, snapshot_identity="sha256:1")
    check = check_plan(with_flights(now, underway), again.plan)
    assert check.problems == ()
    assert check.figures.suspects == 0
    old = {each.id: each for each in underway.plan.migrations}
    moved = {each.instance for each in again.plan.migrations}
    assert not moved & {old[each].instance for each in underway.in_flight}
    if way is replan:
        assert not moved & {old[each].instance for each in underway.failed}
    for new, same in again.kept.items():
        step = next(each for each in again.plan.migrations if each.id == new)
        ends = (step.source, step.dest) if way is replan else (step.dest, step.source)
        assert (step.instance, *ends) == (old[same].instance, old[same].source, old[same].dest)
    # who was to come somewhere is where it should be, asked for, given up or waited for
    accounted = {each.instance for each in again.given_up} | set(again.awaits) | set(again.plan.target)
    if way is replan:
        assert {uuid for uuid, host in underway.plan.target.items() if host is not None} <= accounted | {
            old[each].instance for each in underway.in_flight
        } | {flight.instance for flight in now.in_flight}


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(journeys(mishaps=False))
def test_in_an_unchanged_world_the_rest_of_the_plan_is_kept(journey):
    _, underway, now = journey
    again = replan(compile_cloud(now), underway, SETTINGS, snapshot_identity="sha256:1")
    rest = [each for each in underway.plan.migrations if each.id not in underway.done]
    assert again.plan.outcome == "found"
    assert again.given_up == ()
    assert set(again.awaits) <= {flight.instance for flight in now.in_flight}
    steps = [(each.instance, each.source, each.dest) for each in again.plan.migrations]
    assert steps == [(each.instance, each.source, each.dest) for each in rest]
    assert sorted(again.kept.values()) == [each.id for each in rest]


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(journeys(mishaps=False))
def test_what_was_done_is_undone_by_its_mirror_where_that_is_legal(journey):
    before, underway, now = journey
    again = way_back(compile_cloud(now), underway, SETTINGS, snapshot_identity="sha256:1")
    done = [each for each in underway.plan.migrations if each.id in underway.done]
    home = {each.uuid: each.host for each in before.instances}
    there = {each.uuid for each in now.instances}
    given_up = {each.instance for each in again.given_up}
    for step in done:
        assert step.instance in given_up or again.plan.target[step.instance] == home[step.instance]
    traits = {each.name: each.traits for each in before.hosts}
    suited = all(set(each.required_traits) <= set(traits[each.host]) for each in before.instances if each.host)
    plain = suited and all(each.status == "enabled" and each.state == "up" for each in before.hosts)
    over = any(
        sum(each.resources[name] for each in before.instances if each.host == host.name) > inventory.limit()
        for host in before.hosts
        for name, inventory in host.inventories.items()
    )
    if plain and not over and not before.in_flight:
        assert again.plan.outcome == "found"
        assert not again.given_up
        mirror = [(each.instance, each.dest, each.source) for each in reversed(done) if each.instance in there]
        assert [(each.instance, each.source, each.dest) for each in again.plan.migrations] == mirror
