"""The template of a report's page."""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ record.policy }}: {{ record.state }} ({{ record.id }})</title>
<style>
body{font:15px/1.4 sans-serif;margin:1em auto;max-width:1240px;padding:0 1em;color:#222}
h1{font-size:1.4em;margin-bottom:.2em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%;margin:.6em 0}
td,th{padding:2px 10px 2px 0;text-align:left;vertical-align:top}td,li,p{overflow-wrap:anywhere}
table.figures{width:auto}table.figures th{white-space:nowrap;padding-right:1.5em}
td.n,th.n{text-align:right;white-space:nowrap}tr:nth-child(even){background:#f6f8fa}
td.name{white-space:nowrap;max-width:22em;overflow:hidden;text-overflow:ellipsis}
.scroll{overflow-x:auto}.scroll svg{min-width:900px;width:100%;height:auto}
svg.chart{width:100%;max-width:640px;height:auto}svg text{font:11px sans-serif;fill:#222}
.bar{position:relative;background:#eee;height:13px;min-width:110px;width:100%}
.bar i{position:absolute;left:0;top:0;bottom:0;background:#8fb3e6}
.bar b{position:absolute;left:0;bottom:0;height:4px;background:#1d3557}
td.wide{width:35%}td.why{min-width:15em}
.key{display:inline-block;width:1.6em;height:.6em;margin-right:.3em}
.failed,.skipped{color:#b00020;font-weight:bold}.done{color:#1b7f3b}.small{color:#666;font-size:.9em}
summary{cursor:pointer;padding:.3em 0}ul{padding-left:1.3em;margin:.4em 0}
@media screen and (max-width:640px){body{padding:0 .6em}td,th{padding-right:6px}td.wide{width:auto}
svg.chart text{font-size:19px}.cards tr{display:block;padding:.35em 0}.cards tr:first-child{display:none}
.cards td,.cards td.n{display:inline;padding:0;margin-right:.25em;white-space:normal}.cards td.name{max-width:none}
.cards td.wide,.cards td.why,.cards td.when{display:block}
.of-hosts td:nth-child(4)::before{content:"\\2192  "}.of-hosts td:nth-child(5)::before{content:"of "}
.of-hosts td:nth-child(5)::after{content:" GiB,"}.of-hosts td:nth-child(6)::after{content:" instances"}
.of-steps td:nth-child(3)::before{content:"from "}.of-steps td:nth-child(4)::before{content:"to "}
.of-steps td:nth-child(5)::before{content:"\\B7  "}.of-steps td:nth-child(5)::after{content:" GiB,"}
.of-steps td:nth-child(6)::before{content:"predicted "}.of-steps td:nth-child(7):not(:empty)::before{content:"took "}
.of-steps td:nth-child(6)::after,.of-steps td:nth-child(7):not(:empty)::after{content:" s,"}}
@media print{body{max-width:none;font-size:10.5px;margin:0}h2,h3,h2+p{break-after:avoid}tr,svg{break-inside:avoid}
.scroll{overflow:visible}.scroll svg{min-width:0}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
</style></head><body>
{% macro folded(count, most, what) %}
{% if count > most %}<details><summary>{{ what }}</summary>{{ caller() }}</details>{% else %}{{ caller() }}{% endif %}
{% endmacro %}
{% macro grouped(groups) %}
<ul>{% for group in groups %}<li>{% if group.members | length == 1 %}{{ group.members[0] }}: {{ group.said }}
{% else %}{{ "{:,}".format(group.count) }} &times; {{ group.said }}
{%- if group.members | length <= 5 and not group.more %}: {{ group.members | join("; ") }}{% else %}
<details><summary class="small">which</summary>{{ group.members | join("; ") }}
{% if group.more %}; and {{ group.more }} more{% endif %}</details>{% endif %}{% endif %}</li>
{% endfor %}</ul>
{% endmacro %}
<h1>{{ record.policy }}: {{ record.state }}</h1>
<p class="small">Rearrangement {{ record.id }}, asked for at {{ record.created_at | moment }}, as of
{{ record.updated_at | moment }}</p>
{% if record.explanation %}<p><strong>{{ record.explanation }}</strong></p>{% endif %}
{% if plan %}
<table class="figures">
<tr><th>Migrations</th><td>{{ "{:,}".format(plan.summary.migrations) }}, {{ plan.summary.memory_mb | gib }} GiB of
memory{% if plan.summary.extra_migrations %}; {{ plan.summary.extra_migrations }} more than instances that
move{% endif %}{% if plan.summary.bypasses %}; {{ plan.summary.bypasses }} are stops on the way{% endif %}</td></tr>
<tr><th>How it stands</th><td>{% for state, number in tally %}{{ ", " if not loop.first }}<span class="{{ state }}">
{{- "{:,}".format(number) }} {{ state }}</span>{% endfor %}</td></tr>
<tr><th>Predicted</th><td>{{ plan.summary.makespan_s | lasts }}{% if plan.summary.bounds.makespan_s %}; no plan takes
less than {{ plan.summary.bounds.makespan_s | lasts }}{% if plan.summary.bounds.binding %}
 ({{ plan.summary.bounds.binding }}){% endif %}{% endif %}</td></tr>
{% if took %}<tr><th>Took so far</th><td>{{ took | lasts }}</td></tr>{% endif %}
{% if decision.before and decision.after %}
<tr><th>Score</th><td>{{ "{:,.6g}".format(decision.before.value) }} &rarr;
{{ "{:,.6g}".format(decision.after.value) }} {{ decision.after.unit }}</td></tr>
{% endif %}
{% if every_host %}<tr><th>Hosts with instances</th><td>{{ "{:,}".format(busy_before) }} &rarr;
{{ "{:,}".format(busy_after) }} of {{ "{:,}".format(every_host) }}</td></tr>{% endif %}
</table>
{% for note in decision.notes or () %}<p class="small">{{ note }}</p>{% endfor %}
{% else %}<p>There is no plan.</p>{% endif %}

{% if troubles %}<h2>What went wrong</h2>{{ grouped(troubles) }}{% endif %}
{% if risks %}<h2>Risks</h2>{{ grouped(risks) }}{% endif %}
{% if leftovers %}<h2>Left where they are</h2>{{ grouped(leftovers) }}{% endif %}

{% if hosts %}
<h2>Hosts</h2>
<p class="small"><span class="key" style="background:#1d3557"></span>memory before
<span class="key" style="background:#8fb3e6;margin-left:1em"></span>after</p>
{% if fullness %}
<table><tr><th>How full</th><th></th><th class="n">hosts before</th><th class="n">after</th></tr>
{% for row in fullness %}
<tr><td>{{ row.label }}</td><td class="wide"><div class="bar">
<i style="width:{{ 100 * row.after // every_host }}%"></i>
<b style="width:{{ 100 * row.before // every_host }}%"></b></div></td>
<td class="n">{{ "{:,}".format(row.before) }}</td><td class="n">{{ "{:,}".format(row.after) }}</td></tr>
{% endfor %}</table>
{% endif %}
{% call folded(hosts | length, open_hosts, hosts_said) %}
{% if hosts | length <= open_hosts %}<p class="small">{{ hosts_said }}</p>{% endif %}
<div class="scroll"><table class="cards of-hosts"><tr><th>Host</th><th></th><th class="n">before, GiB</th>
<th class="n">after, GiB</th><th class="n">of</th><th class="n">instances</th></tr>
{% for host in hosts %}
{% set whole = host.capacity or 1 %}
<tr><td class="name">{{ host.name }}</td><td class="wide"><div class="bar">
<i style="width:{{ [100 * host.after // whole, 100] | min }}%"></i>
<b style="width:{{ [100 * host.before // whole, 100] | min }}%"></b></div></td>
<td class="n">{{ host.before | gib }}</td>
<td class="n">{{ host.after | gib }}</td>
<td class="n">{{ host.capacity | gib }}</td>
<td class="n">{{ host.instances_before }} &rarr; {{ host.instances_after }}</td></tr>
{% endfor %}</table></div>
{% endcall %}
{% endif %}

{% if curve %}
<h2>What each migration buys</h2>
<p class="small">The score after each migration, in the order of the plan.</p>
{{ curve }}
{% endif %}
{% if predicted %}
<h2>Timeline</h2>
<p class="small">How many migrations have ended, over time.</p>
{{ progress }}
{% call folded(busy_hosts, open_lanes, "As predicted, host by host") %}
<h3>As predicted</h3><div class="scroll">{{ predicted }}</div>{% endcall %}
{% if went %}{% call folded(busy_hosts, open_lanes, "As it went, host by host") %}
<h3>As it went</h3><div class="scroll">{{ went }}</div>{% endcall %}{% endif %}
{% endif %}

{% if steps %}
<h2>Why instances move</h2>
<table><tr><th>Why</th><th class="n">migrations</th><th class="n">GiB</th></tr>
{% for each in reasons %}<tr><td>{{ each.said }}</td><td class="n">{{ "{:,}".format(each.count) }}</td>
<td class="n">{{ each.memory_mb | gib }}</td></tr>
{% endfor %}</table>
{% call folded(steps | length, open_steps, steps_said) %}
<div class="scroll"><table class="cards of-steps"><tr><th class="n">#</th><th>Instance</th><th>From</th><th>To</th>
<th class="n">GiB</th><th class="n">predicted, s</th><th class="n">took, s</th><th>State</th><th>Why</th></tr>
{% for each in steps %}
<tr><td class="n">{{ each.id }}</td><td class="name">{{ each.instance }}</td>
<td class="name">{{ each.source }}</td>
<td class="name">{{ each.dest }}{% if each.bypass %} (a stop){% endif %}</td>
<td class="n">{{ each.memory_mb | gib }}</td>
<td class="n">{{ "%.1f" | format(each.predicted) }}</td>
<td class="n">{% if each.took is not none %}{{ "%.1f" | format(each.took) }}{% endif %}</td>
<td class="{{ each.state }}">{{ each.state }}</td><td class="why">{{ each.why }}</td></tr>
{% endfor %}</table></div>
{% endcall %}
{% endif %}

{% if events %}
<h2>What happened</h2>
{% call folded(events | length, open_events, events_said) %}
<div class="scroll"><table class="cards"><tr><th>When</th><th>What</th></tr>{% for each in events %}
<tr><td class="small n when">{{ each.at | moment }}</td><td>{{ each.message }}</td></tr>
{% endfor %}</table></div>
{% endcall %}
{% endif %}
</body></html>"""
