"""Puts a plan together: order, waves, schedule, host steps, figures."""

from __future__ import annotations

import time

from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Arrival, HostStep, Migration, Plan, Summary
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.arrivals import placed
from vmpath_service.pathfinder.duration import forecast
from vmpath_service.pathfinder.ordering import order
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.schedule import best_schedule, waves
from vmpath_service.pathfinder.settings import PathSettings


def assemble(
    problem: Problem,
    answer: Answer,
    settings: PathSettings,
    *,
    target: Placement,
    snapshot_identity: str,
    policy: str | None,
    time_limited: bool,
    began: float,
) -> Plan:
    """The plan of an answer; ``began`` is a reading of ``time.perf_counter``."""
    cloud = problem.cloud
    hosts, instances = cloud.snapshot.hosts, cloud.snapshot.instances
    acts = answer.outcome in ("found", "partial")
    moves = answer.moves if acts else []
    after = order(problem, moves, answer.ends)
    timing = best_schedule(problem, moves, after, settings.objective, answer.ends)
    lockstep = waves(problem, moves, after)
    arrivals = placed(problem, moves) if acts else []
    wanted = {move.dest for move in moves} | {host for _, host in arrivals}
    boots = {host: number for number, host in enumerate(sorted(wanted & set(problem.boots)), start=1)}
    steps = tuple(
        HostStep(number, hosts[host].name, "power-on", (), 0.0, _time(problem.boots[host]))
        for host, number in boots.items()
    )
    migrations = []
    shift = len(steps) + 1
    for position, move in enumerate(moves):
        instance = instances[move.guest]
        needs = [earlier + shift for earlier in after[position]]
        if move.dest in boots:
            needs.insert(0, boots[move.dest])
        bypass = move.dest not in (problem.goal[move.guest], cloud.home[move.guest])
        migrations.append(
            Migration(
                id=position + shift,
                instance=instance.uuid,
                source=hosts[move.source].name,
                dest=hosts[move.dest].name,
                method="cold" if instance.movable == "cold" else "live",
                bypass=bypass,
                after=tuple(needs),
                wave=lockstep[position],
                start_s=_time(timing.starts[position]),
                end_s=_time(timing.ends[position]),
                rate_mbps=timing.rates[position],
                memory_mb=instance.memory_mb(),
                reason=_reason(problem, move, bypass, timing.rates[position]),
            )
        )
    return Plan(
        outcome=answer.outcome,
        target=target.placement,
        snapshot=snapshot_identity,
        explanation=answer.explanation,
        time_limited=time_limited,
        policy=policy,
        objective=settings.objective,
        limits=settings.limits,
        departures=tuple(instances[guest].uuid for guest in problem.departures) if acts else (),
        arrivals=tuple(Arrival(instances[guest].uuid, hosts[host].name) for guest, host in arrivals),
        host_steps=steps,
        migrations=tuple(migrations),
        summary=Summary(
            migrations=len(migrations),
            extra_migrations=len(moves) - len({move.guest for move in moves} & set(problem.movers)),
            bypasses=sum(each.bypass for each in migrations),
            memory_mb=sum(each.memory_mb for each in migrations),
            waves=max(lockstep, default=0),
            makespan_s=max([_time(timing.makespan), *(step.end_s for step in steps)]),
            seconds=round(time.perf_counter() - began, 3),
            bounds=problem.bounds,
        ),
    )


def _reason(problem: Problem, move: Move, bypass: bool, rate: float) -> str | None:
    """What an operator should know of this migration beforehand."""
    hosts, instances = problem.cloud.snapshot.hosts, problem.cloud.snapshot.instances
    instance = instances[move.guest]
    remarks = []
    home, goal = problem.cloud.home[move.guest], problem.goal[move.guest]
    if bypass:
        end = f"before it goes to {hosts[goal].name}" if goal != home else "before it comes back"
        remarks.append(f"makes room on {hosts[move.source].name} {end}")
    elif goal == home:
        remarks.append("comes back")
    if instance.memory is not None and instance.movable != "cold":
        predicted = forecast(instance, rate)
        if not predicted.converges:
            way = "post-copy, " if instance.post_copy == "allowed" else ""
            remarks.append(
                f"will not converge: it writes {predicted.dirty_mb_s:g} MiB/s and {rate / 8:g} MiB/s are copied;"
                f" it needs {way}more bandwidth or to be left alone"
            )
    return "; ".join(remarks) or None


def _time(seconds: float) -> float:
    """Milliseconds are exact enough; rounding keeps what is before what."""
    return round(seconds, 3)
