"""``vmpath-service --check``: what the service could do with the cloud that is configured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vmpath_service.cloud.inventory import Reading
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cmd.configuration import Configuration


def check(configuration: Configuration) -> int:
    """Read the cloud once and say what is known of it; raises what reading it raises."""
    for line in describe(NovaCloud(configuration.cloud).read_with_notes()):
        print(line)  # noqa: T201
    print(f"policies: {', '.join(configuration.engine.policies) or 'none'}")  # noqa: T201
    return 0


def describe(reading: Reading) -> Iterator[str]:
    """What can be done with a cloud, what cannot, and what is not known."""
    hosts, instances = reading.snapshot.hosts, reading.snapshot.instances
    receiving = sum(host.receives() for host in hosts)
    yield f"hosts: {len(hosts)}, {receiving} of them up and enabled"
    movable = Counter(instance.movable for instance in instances)
    yield f"instances: {len(instances)}, {movable['live']} of them can be live-migrated"
    reasons = Counter(instance.why_not or "no reason is known" for instance in instances if instance.movable != "live")
    for reason, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0])):
        yield f"not live-migrated: {count}: {reason}"
    if reading.snapshot.in_flight:
        yield f"migrations under way that others began: {len(reading.snapshot.in_flight)}"
    for note in reading.notes:
        yield f"note: {note}"
