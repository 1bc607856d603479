"""``vmpath-service --check``: what the service could do with the cloud that is configured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from vmpath_service.cloud import broker
from vmpath_service.cloud.examination import Examination
from vmpath_service.cloud.inventory import Reading
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.rights import Finding, Verdict
from vmpath_service.cmd import own_state
from vmpath_service.cmd.configuration import Configuration
from vmpath_service.model.errors import VmpathError
from vmpath_service.notifier.broker import OF_BROKER


def check(configuration: Configuration, form: str = "plain") -> int:
    """Say what is known of the cloud, and of every right and setting whether it is there; ``form``: plain or json.

    Returns 0, or 1 when something is missing; when the cloud could not be read, raises why after all was said.
    """
    lines: list[str] = []
    failed: VmpathError | None = None
    try:
        lines += describe(NovaCloud(configuration.cloud).read_with_notes())
    except VmpathError as error:
        failed = error
    lines.append(f"policies: {', '.join(configuration.engine.policies) or 'none'}")
    findings = [
        *Examination(configuration.cloud).findings(),
        *broker.examine(configuration.notifications),
        *broker.examine_sending(_broker_of(configuration), configuration.sending.topics),
        *own_state.examine(configuration),
    ]
    if form == "json":
        said = {"cloud": lines, "error": None if failed is None else str(failed), "findings": findings}
        print(msgspec.json.format(msgspec.json.encode(said), indent=2).decode())  # noqa: T201
    else:
        for line in (*lines, *map(shown, findings)):
            print(line, flush=True)  # noqa: T201
    if failed is not None:
        raise failed
    return 1 if any(finding.verdict is Verdict.MISSING for finding in findings) else 0


def _broker_of(configuration: Configuration) -> str | None:
    """Where vmpath's own notifications go; None if to no broker."""
    sending = configuration.sending
    return sending.url if set(sending.drivers) & set(OF_BROKER) else None


def shown(finding: Finding) -> str:
    """One line: ok, missing or unknown, of what, why, and what to do."""
    advice = f"; {finding.advice}" if finding.advice else ""
    return f"{finding.verdict:<8}{finding.name}: {finding.details.rstrip('.')}{advice}"


def describe(reading: Reading) -> Iterator[str]:
    """What can be done with a cloud, what cannot, and what is not known."""
    hosts, instances = reading.snapshot.hosts, reading.snapshot.instances
    receiving = sum(host.receives() for host in hosts)
    yield f"hosts: {len(hosts)}, {receiving} of them up and enabled"
    movable = Counter(instance.movable for instance in instances)
    cold = f", {movable['cold']} more are stopped and can be cold-migrated" if movable["cold"] else ""
    yield f"instances: {len(instances)}, {movable['live']} of them can be live-migrated{cold}"
    reasons = Counter(instance.why_not or "no reason is known" for instance in instances if instance.movable == "no")
    for reason, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0])):
        yield f"not migrated: {count}: {reason}"
    if reading.snapshot.in_flight:
        yield f"migrations under way that others began: {len(reading.snapshot.in_flight)}"
    for note in reading.notes:
        yield f"note: {note}"
