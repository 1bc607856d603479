"""A plan as a picture: a lane per host, a bar per migration at its destination, the critical path marked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape

from vmpath_service.model.plan import HostStep, Migration, Plan
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.report.cells import plain, short_names

MOST_HOSTS = 200
WIDTH = 1200
NAMES = 150
NAME_LENGTH = 22
LANE = 14
GAP = 6
HEAD = 64
HEAD_BARE = 30
# Rounding of the times in a plan, in seconds.
SLACK = 0.0015

STYLE = """
text{font:11px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.grid{stroke:#ddd}.host{stroke:#bbb}
.come{fill:#5b8fd6}.go{fill:#c9d7ea}.bypass{fill:#e2a33c}.boot{fill:#b9a3d0}.critical{stroke:#c1121f;stroke-width:2}
.chain{stroke:#c1121f;stroke-width:1.5;fill:none;stroke-dasharray:4 3}
"""


PAGE = """
body{font:14px/1.4 sans-serif;margin:1em auto;max-width:1240px;padding:0 1em}
td,th{padding:2px 12px 2px 0;text-align:left;vertical-align:top}td,p{overflow-wrap:anywhere}
.scroll{overflow-x:auto}.scroll svg{min-width:900px;width:100%;height:auto}
@media print{body{margin:0;max-width:none}.scroll{overflow:visible}.scroll svg{min-width:0}tr{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def _all_steps(plan: Plan) -> list[HostStep | Migration]:
    return [*plan.host_steps, *plan.migrations]


def critical_path(plan: Plan) -> tuple[int, ...]:
    """Ids of the steps that end last and, before each, one that it waited for: first those that it must come after,
    then those that held the host's slots; ascending in time."""
    steps = {step.id: step for step in _all_steps(plan)}
    ending: dict[float, list[Migration]] = {}
    for migration in plan.migrations:
        ending.setdefault(round(migration.end_s, 2), []).append(migration)
    if not steps:
        return ()
    current = max(steps.values(), key=lambda step: (step.end_s, -step.id))
    path = [current.id]
    while current.start_s > SLACK:
        waited: list[HostStep | Migration] = [
            steps[earlier] for earlier in current.after if abs(steps[earlier].end_s - current.start_s) <= SLACK
        ]
        if not waited and isinstance(current, Migration):
            moment = round(current.start_s, 2)
            near = [each for at in (moment, moment - 0.01, moment + 0.01) for each in ending.get(round(at, 2), ())]
            waited = [
                each
                for each in near
                if abs(each.end_s - current.start_s) <= SLACK
                and each.id != current.id
                and (each.source == current.source or each.dest == current.dest)
            ]
        if not waited:
            break
        current = max(waited, key=lambda step: (step.end_s - step.start_s, -step.id))
        if current.id in path:
            break
        path.append(current.id)
    return tuple(reversed(path))


def svg(snapshot: Snapshot, plan: Plan, most_hosts: int = MOST_HOSTS, *, critical: bool = True) -> str:
    """The picture as an SVG document; of more than ``most_hosts`` hosts, those with most to do. Without ``critical``
    there is no critical path in it, nor what only the plan as it was made can say."""
    labels = {each.uuid: each.name or each.uuid for each in snapshot.instances}
    path = critical_path(plan) if critical else ()
    hosts = _hosts(snapshot, plan, path, most_hosts)
    on_host = _steps_by_host(plan, hosts)
    shown = short_names(hosts, NAME_LENGTH)
    rows = {host: _lanes(on_host[host]) for host in hosts}
    top: dict[str, int] = {}
    head = HEAD if critical else HEAD_BARE
    height = head
    for host in hosts:
        top[host] = height
        height += LANE * max(1, max(rows[host].values(), default=0) + 1) + GAP
    end = max([plan.summary.makespan_s, *(step.end_s for step in plan.migrations), 0.001])
    scale = (WIDTH - NAMES - 20) / end
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 30}" width="{WIDTH}">',
        f"<style>{STYLE}</style>",
    ]
    if critical:
        lines.append(f'<text class="title" x="8" y="20">{_text(_title(plan))}</text>')
        lines.append(f'<text x="8" y="38">{_text(_subtitle(plan, len(path)))}</text>')
    for number in range(11):
        x = NAMES + number * (WIDTH - NAMES - 20) / 10
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{head - 8}" x2="{x:.1f}" y2="{height}"/>')
        anchor = ' text-anchor="end"' if number == 10 else ""
        lines.append(f'<text x="{x:.1f}" y="{head - 12}"{anchor}>{end * number / 10:.4g} s</text>')
    for host in hosts:
        lines.append(f'<line class="host" x1="0" y1="{top[host] - 3}" x2="{WIDTH}" y2="{top[host] - 3}"/>')
        lines.append(f'<text x="8" y="{top[host] + 11}">{_text(shown[host])}</text>')
    marked = set(path)
    place: dict[int, tuple[float, float, float]] = {}
    for step in plan.host_steps:
        if step.host in top:
            y = top[step.host] + LANE * rows[step.host][step.id]
            lines.append(_bar(step, "boot", y, scale, f"{step.action} {step.host}", step.id in marked))
            place[step.id] = (NAMES + step.start_s * scale, NAMES + step.end_s * scale, y + LANE / 2)
    for move in plan.migrations:
        words = f"{move.id}: {labels.get(move.instance, move.instance)}, {move.source} to {move.dest}"
        words += f", {move.memory_mb} MiB, {move.start_s:g} to {move.end_s:g} s"
        words += f"; {move.reason}" if move.reason else ""
        if move.source in top:
            y = top[move.source] + LANE * rows[move.source][move.id]
            lines.append(_bar(move, "go", y, scale, f"leaves: {words}", False))
        if move.dest in top:
            y = top[move.dest] + LANE * rows[move.dest][move.id]
            kind = "bypass" if move.bypass else "come"
            lines.append(_bar(move, kind, y, scale, words, move.id in marked))
            place[move.id] = (NAMES + move.start_s * scale, NAMES + move.end_s * scale, y + LANE / 2)
    for first, second in itertools.pairwise(path):
        if first in place and second in place:
            (_, x1, y1), (x2, _, y2) = place[first], place[second]
            lines.append(f'<path class="chain" d="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"/>')
    legend = "blue: arrives, pale: leaves, orange: goes aside, violet: host step"
    legend += ", red: critical path" if critical else ""
    lines.append(f'<text x="8" y="{height + 18}">{_text(legend + _left_out(snapshot, plan, hosts))}</text></svg>')
    return "\n".join(lines) + "\n"


def html(snapshot: Snapshot, plan: Plan) -> str:
    """A page with the picture, the figures and the steps of the critical path; it refers to nothing elsewhere."""
    steps = {step.id: step for step in _all_steps(plan)}
    labels = {each.uuid: each.name or each.uuid for each in snapshot.instances}
    rows = []
    for identity in critical_path(plan):
        step = steps[identity]
        if isinstance(step, Migration):
            what = f"{labels.get(step.instance, step.instance)}: {step.source} to {step.dest}"
        else:
            what = f"{step.action} {step.host}"
        cells = (str(identity), what, f"{step.start_s:g}", f"{step.end_s:g}")
        rows.append("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>")
    explained = f"<p>{_text(plan.explanation)}</p>" if plan.explanation else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(_title(plan))}</title><style>{PAGE}</style></head><body>\n{explained}\n"
        f'<div class="scroll">{svg(snapshot, plan)}</div><h2>Critical path</h2>\n'
        "<table><tr><th>id</th><th>step</th><th>start, s</th>"
        f"<th>end, s</th></tr>\n{''.join(rows)}</table>\n</body></html>\n"
    )


def _title(plan: Plan) -> str:
    policy = f" by {plan.policy}" if plan.policy else ""
    return f"Plan{policy}: {plan.outcome}, {plan.summary.migrations} migrations in {plan.summary.makespan_s:g} s"


def _subtitle(plan: Plan, critical: int) -> str:
    summary = plan.summary
    binding = f" ({summary.bounds.binding})" if summary.bounds.binding else ""
    return (
        f"{summary.memory_mb} MiB, {summary.extra_migrations} extra, {summary.bypasses} bypasses,"
        f" {summary.waves} waves; at least {summary.bounds.makespan_s:g} s{binding};"
        f" {critical} steps on the critical path"
    )


def _hosts(snapshot: Snapshot, plan: Plan, critical: Sequence[int], most: int) -> list[str]:
    """Hosts that have something to do, in the order of the snapshot."""
    weight: dict[str, float] = {}
    marked = set(critical)
    for move in plan.migrations:
        for host in (move.source, move.dest):
            weight[host] = weight.get(host, 0.0) + 1 + 1e6 * (move.id in marked)
    for step in plan.host_steps:
        weight[step.host] = weight.get(step.host, 0.0) + 1
    chosen = set(sorted(weight, key=lambda host: (-weight[host], host))[:most])
    return [host.name for host in snapshot.hosts if host.name in chosen]


def _left_out(snapshot: Snapshot, plan: Plan, hosts: Sequence[str]) -> str:
    busy = {host for move in plan.migrations for host in (move.source, move.dest)}
    more = len(busy) - len(hosts)
    return f"; {more} more hosts are not shown" if more > 0 else ""


def _steps_by_host(plan: Plan, hosts: Sequence[str]) -> Mapping[str, list[HostStep | Migration]]:
    """The steps that take place on each of these hosts."""
    found: dict[str, list[HostStep | Migration]] = {host: [] for host in hosts}
    for step in plan.host_steps:
        if step.host in found:
            found[step.host].append(step)
    for move in plan.migrations:
        for host in {move.source, move.dest} & found.keys():
            found[host].append(move)
    return found


def _lanes(steps: Sequence[HostStep | Migration]) -> Mapping[int, int]:
    """The lane of each step of a host, so that none covers another."""
    free: list[float] = []
    lanes: dict[int, int] = {}
    for step in sorted(steps, key=lambda each: (each.start_s, each.id)):
        lane = next((number for number, until in enumerate(free) if until <= step.start_s + SLACK), len(free))
        free[lane : lane + 1] = [step.end_s]
        lanes[step.id] = lane
    return lanes


def _bar(step: HostStep | Migration, kind: str, y: float, scale: float, words: str, critical: bool) -> str:
    x, width = NAMES + step.start_s * scale, max(1.0, (step.end_s - step.start_s) * scale)
    mark = " critical" if critical else ""
    return (
        f'<rect class="{kind}{mark}" x="{x:.1f}" y="{y + 1:.1f}" width="{width:.1f}" height="{LANE - 2}" rx="2">'
        f"<title>{_text(words)}</title></rect>"
    )



def _text(words: str) -> str:
    """As it stands in a document, in which some characters may not be at all."""
    return escape(plain(words))
