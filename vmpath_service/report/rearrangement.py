"""A rearrangement as one page that refers to nothing elsewhere: for a screen, a phone, and paper.

Everything that comes from the cloud is escaped: names of servers are what their owners like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from vmpath_service.model.plan import Plan
from vmpath_service.model.snapshot import Host, Instance, Snapshot
from vmpath_service.report import timeline
from vmpath_service.report.accounts import HostAccount, accounts

MOST_HOSTS = 300
MOST_MIGRATIONS = 2000
_CURVE = (640, 160)
_KIND = "MEMORY_MB"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the page is about, as the API shows it: the record, its migrations and events, the hosts and the
    instances as they are now."""

    record: Mapping[str, Any]
    plan: Plan | None
    migrations: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    hosts: Sequence[Mapping[str, Any]]
    instances: Sequence[Mapping[str, Any]]


def html(subject: Subject) -> str:
    """The page."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["gib"] = lambda amount: f"{amount / 1024:,.1f}"
    record, plan = subject.record, subject.plan
    decision = record["decision"] or {}
    found = _accounts(subject)
    changed = [each for each in found if each.changed()]
    shown = sorted(changed, key=lambda each: (-abs(each.after - each.before), each.name))[:MOST_HOSTS]
    cloud = _cloud(subject)
    went = None if plan is None else as_it_went(plan, subject.migrations)
    steps = _steps(subject)
    page = environment.from_string(_PAGE).render(
        record=record,
        decision=decision,
        plan=plan,
        hosts=sorted(shown, key=lambda each: each.name),
        hosts_more=len(changed) - len(shown),
        hosts_same=len(found) - len(changed),
        predicted=None if plan is None or not plan.migrations else Markup(timeline.svg(cloud, plan)),
        went=None if went is None else Markup(timeline.svg(cloud, went)),
        curve=Markup(_curve(decision.get("curve") or ())),
        steps=steps[:MOST_MIGRATIONS],
        steps_more=max(0, len(steps) - MOST_MIGRATIONS),
        troubles=[each for each in steps if each["state"] in ("failed", "skipped")],
        risks=[each for each in steps if each["risk"]],
        events=subject.events,
    )
    return f"{page}\n"


def as_it_went(plan: Plan, migrations: Sequence[Mapping[str, Any]]) -> Plan | None:
    """The plan with the times at which its migrations really began and ended; None if none has ended."""
    seen = {}
    for each in migrations:
        if each["intended_at"] and each["ended_at"]:
            seen[each["step"]] = (_seconds(each["intended_at"]), _seconds(each["ended_at"]))
    if not seen:
        return None
    zero = min(begin for begin, _ in seen.values())
    moved = tuple(
        msgspec.structs.replace(
            step, start_s=round(seen[step.id][0] - zero, 2), end_s=round(max(*seen[step.id]) - zero, 2)
        )
        for step in plan.migrations
        if step.id in seen
    )
    kept = frozenset(step.id for step in moved)
    moved = tuple(
        msgspec.structs.replace(step, after=tuple(each for each in step.after if each in kept)) for step in moved
    )
    summary = msgspec.structs.replace(
        plan.summary, migrations=len(moved), makespan_s=round(max(step.end_s for step in moved), 2)
    )
    return msgspec.structs.replace(plan, migrations=moved, host_steps=(), summary=summary)


def _accounts(subject: Subject) -> list[HostAccount]:
    if subject.plan is None:
        return []
    planned = [
        {"id": step.id, "instance": step.instance, "source": step.source, "dest": step.dest}
        for step in subject.plan.migrations
    ]
    states = {int(each["step"]): str(each["state"]) for each in subject.migrations}
    # one that is gone by now took what its plan says
    resources = {step.instance: {_KIND: step.memory_mb} for step in subject.plan.migrations}
    resources |= {str(each["uuid"]): each["resources"] for each in subject.instances}
    return accounts(subject.hosts, planned, states, resources, _KIND)


def _cloud(subject: Subject) -> Snapshot:
    """As much of the cloud as a timeline needs."""
    hosts = tuple(Host(name=str(host["name"]), inventories={}) for host in subject.hosts)
    known = {str(host["name"]) for host in subject.hosts}
    moved = () if subject.plan is None else subject.plan.migrations
    gone = sorted({name for step in moved for name in (step.source, step.dest)} - known)
    names = {str(each["uuid"]): each["name"] for each in subject.instances}
    guests = dict.fromkeys(step.instance for step in moved)
    return Snapshot(
        hosts=(*hosts, *(Host(name=name, inventories={}) for name in gone)),
        instances=tuple(Instance(uuid=uuid, host=None, resources={}, name=names.get(uuid)) for uuid in guests),
    )


def _steps(subject: Subject) -> list[dict[str, Any]]:
    names = {str(each["uuid"]): each["name"] for each in subject.instances}
    stood = {int(each["step"]): each for each in subject.migrations}
    steps = []
    for step in () if subject.plan is None else subject.plan.migrations:
        now = stood.get(step.id, {})
        begun, ended = now.get("intended_at"), now.get("ended_at")
        took = _seconds(ended) - _seconds(begun) if begun and ended else None
        reason = step.reason or ""
        steps.append(
            {
                "id": step.id,
                "instance": names.get(step.instance) or step.instance,
                "source": step.source,
                "dest": step.dest,
                "memory_mb": step.memory_mb,
                "bypass": step.bypass,
                "predicted": step.end_s - step.start_s,
                "took": took,
                "state": str(now.get("state", "planned")),
                "why": reason,
                "went": now.get("reason") or "",
                "risk": "converge" in reason,
            }
        )
    return steps


def _curve(points: Sequence[Mapping[str, Any]]) -> str:
    """The score after each migration as a small SVG; empty for a curve of fewer than two points."""
    if len(points) < 2:
        return ""
    width, height = _CURVE
    last = max(int(point["migrations"]) for point in points) or 1
    scores = [float(point["score"]) for point in points]
    low, high = min(scores), max(scores)
    span = (high - low) or 1.0
    places = " ".join(
        f"{40 + int(point['migrations']) / last * (width - 60):.1f},"
        f"{height - 24 - (float(point['score']) - low) / span * (height - 44):.1f}"
        for point in points
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
        f'<polyline fill="none" stroke="#5b8fd6" stroke-width="2" points="{places}"/>'
        f'<text x="4" y="24" font-size="11">{high:.4g}</text>'
        f'<text x="4" y="{height - 20}" font-size="11">{low:.4g}</text>'
        f'<text x="40" y="{height - 4}" font-size="11">0</text>'
        f'<text x="{width - 20}" y="{height - 4}" font-size="11" text-anchor="end">{last} migrations</text></svg>'
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rearrangement {{ record.id }}</title>
<style>
body{font:15px/1.4 sans-serif;margin:1em auto;max-width:1240px;padding:0 1em;color:#222}
h1{font-size:1.4em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%}td,th{padding:2px 10px 2px 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right}tr:nth-child(even){background:#f6f8fa}
.scroll{overflow-x:auto}svg{max-width:100%;height:auto}
.bar{position:relative;background:#eee;height:12px;min-width:120px}
.bar i{position:absolute;left:0;top:0;bottom:0;background:#5b8fd6}
.bar b{position:absolute;left:0;bottom:0;height:4px;background:#1d3557}
.failed,.skipped{color:#b00020;font-weight:bold}.done{color:#1b7f3b}.small{color:#666;font-size:.9em}
@media print{body{max-width:none;font-size:11px}h2{break-after:avoid}tr{break-inside:avoid}.scroll{overflow:visible}}
</style></head><body>
<h1>{{ record.policy }}: {{ record.state }}</h1>
<p class="small">Rearrangement {{ record.id }}, asked for at {{ record.created_at }}, as of {{ record.updated_at }}</p>
{% if record.explanation %}<p><strong>{{ record.explanation }}</strong></p>{% endif %}
{% if plan %}
<table>
<tr><th>Migrations</th><td>{{ plan.summary.migrations }} ({{ plan.summary.extra_migrations }} more than instances that
move, {{ plan.summary.bypasses }} stops on the way), {{ plan.summary.memory_mb | gib }} GiB of memory</td></tr>
<tr><th>Predicted</th><td>{{ "%.0f" | format(plan.summary.makespan_s) }} s; no plan takes less than
{{ "%.0f" | format(plan.summary.bounds.makespan_s) }} s{% if plan.summary.bounds.binding %}
({{ plan.summary.bounds.binding }}){% endif %}</td></tr>
{% if decision.before and decision.after %}
<tr><th>Score</th><td>{{ "%.4g" | format(decision.before.value) }} &rarr; {{ "%.4g" | format(decision.after.value) }}
{{ decision.after.unit }}</td></tr>
{% endif %}
</table>
{% for note in decision.notes or () %}<p class="small">{{ note }}</p>{% endfor %}
{% else %}<p>There is no plan.</p>{% endif %}

{% if troubles %}
<h2>What went wrong</h2>
<ul>{% for each in troubles %}<li>{{ each.instance }}, {{ each.source }} &rarr; {{ each.dest }}:
<span class="{{ each.state }}">{{ each.state }}</span>{% if each.went %}: {{ each.went }}{% endif %}</li>
{% endfor %}</ul>
{% endif %}
{% if risks %}
<h2>Risks</h2>
<ul>{% for each in risks %}<li>{{ each.instance }}: {{ each.why }}</li>{% endfor %}</ul>
{% endif %}
{% if decision.leftovers %}
<h2>Left where they are</h2>
<ul>{% for each in decision.leftovers %}<li>{{ each.instance }} on {{ each.host }}: {{ each.reason }}</li>
{% endfor %}</ul>
{% endif %}

{% if hosts %}
<h2>Hosts</h2>
<p class="small">Memory before (dark) and after (blue), of what each host has.
{% if hosts_more %}{{ hosts_more }} more change and are not shown. {% endif %}
{% if hosts_same %}{{ hosts_same }} do not change.{% endif %}</p>
<div class="scroll"><table><tr><th>Host</th><th></th><th class="n">before, GiB</th><th class="n">after, GiB</th>
<th class="n">of</th><th class="n">instances</th></tr>
{% for host in hosts %}
{% set whole = host.capacity or 1 %}
<tr><td>{{ host.name }}</td><td><div class="bar"><i style="width:{{ [100 * host.after // whole, 100] | min }}%"></i>
<b style="width:{{ [100 * host.before // whole, 100] | min }}%"></b></div></td>
<td class="n">{{ host.before | gib }}</td><td class="n">{{ host.after | gib }}</td>
<td class="n">{{ host.capacity | gib }}</td>
<td class="n">{{ host.instances_before }} &rarr; {{ host.instances_after }}</td></tr>
{% endfor %}</table></div>
{% endif %}

{% if curve %}
<h2>What each migration buys</h2>
<p class="small">The score after each migration, in the order of the plan.</p>
{{ curve }}
{% endif %}
{% if predicted %}<h2>As predicted</h2><div class="scroll">{{ predicted }}</div>{% endif %}
{% if went %}<h2>As it went</h2><div class="scroll">{{ went }}</div>{% endif %}

{% if steps %}
<h2>Migrations</h2>
<div class="scroll"><table><tr><th class="n">#</th><th>Instance</th><th>From</th><th>To</th><th class="n">GiB</th>
<th class="n">predicted, s</th><th class="n">took, s</th><th>State</th><th>Why</th></tr>
{% for each in steps %}
<tr><td class="n">{{ each.id }}</td><td>{{ each.instance }}</td><td>{{ each.source }}</td>
<td>{{ each.dest }}{% if each.bypass %} (a stop){% endif %}</td><td class="n">{{ each.memory_mb | gib }}</td>
<td class="n">{{ "%.1f" | format(each.predicted) }}</td>
<td class="n">{% if each.took is not none %}{{ "%.1f" | format(each.took) }}{% endif %}</td>
<td class="{{ each.state }}">{{ each.state }}</td><td>{{ each.why }}</td></tr>
{% endfor %}</table></div>
{% if steps_more %}<p class="small">{{ steps_more }} more are not shown.</p>{% endif %}
{% endif %}

{% if events %}
<h2>What happened</h2>
<div class="scroll"><table>{% for each in events %}
<tr><td class="small">{{ each.at }}</td><td>{{ each.message }}</td></tr>
{% endfor %}</table></div>
{% endif %}
</body></html>"""
