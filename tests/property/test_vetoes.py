"""Constraints that judge single moves: what they say holds in any timing, and only what they look at is ordered."""

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import problems
from tests.property.timings import some_timing_breaks
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.base import CompiledConstraint, Constraint
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.pathfinder import PathSettings, check_plan, find_path

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class Apart(Constraint):
    """Two instances of the same colour may not meet where another colour is; only those with a colour matter."""

    name = "apart"

    def __init__(self, colours, scoped):
        super().__init__()
        self._colours, self._scoped = colours, scoped

    def compile(self, snapshot):
        def veto(instance, dest, where):
            mine = self._colours.get(instance.uuid)
            there = [colour for uuid, colour in self._colours.items() if where[uuid] == dest.name]
            return "wrong company" if mine is not None and mine in there and len(set(there)) > 1 else None

        def scope(instance, dest):
            return (dest.name,) if instance.uuid in self._colours else ()

        return CompiledConstraint(veto=veto, veto_scope=scope if self._scoped else None)


@st.composite
def cases(draw, **size):
    snapshot, target = draw(problems(**size))
    names = [each.uuid for each in snapshot.instances]
    colours = draw(st.dictionaries(st.sampled_from(names), st.integers(0, 2), max_size=6))
    rules = (*registry.make(), Apart(colours, draw(st.booleans())))
    options = PathSettings(departures=True, objective=draw(st.sampled_from(["cost", "time", "balanced"])))
    try:
        plan = find_path(compile_cloud(snapshot, rules), target, options, snapshot_identity="sha256:0")
    except InvalidTarget:
        assume(False)
    return snapshot, rules, target, plan


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(cases(most_hosts=4, most_instances=7))
def test_no_timing_breaks_what_a_constraint_says(case):
    snapshot, rules, target, plan = case
    check = check_plan(snapshot, plan, rules, target)
    assert check.problems == ()
    assert check.figures.suspects == 0
    assume(1 < len(plan.migrations) < 8)
    assert not some_timing_breaks(compile_cloud(snapshot, rules), plan)


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(cases(most_hosts=4, most_instances=6), st.data())
def test_the_replay_sees_a_missing_edge_where_some_timing_breaks(case, data):
    snapshot, rules, _, plan = case
    boots = {step.id for step in plan.host_steps}
    edges = [(n, each) for n, step in enumerate(plan.migrations) for each in step.after if each not in boots]
    assume(edges and len(plan.migrations) < 8)
    number, dropped = data.draw(st.sampled_from(edges))
    steps = list(plan.migrations)
    after = tuple(earlier for earlier in steps[number].after if earlier != dropped)
    steps[number] = msgspec.structs.replace(steps[number], after=after)
    broken = msgspec.structs.replace(plan, migrations=tuple(steps))
    assert check_plan(snapshot, broken, rules).holds != some_timing_breaks(compile_cloud(snapshot, rules), broken)
