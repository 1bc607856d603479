"""What hosts hold before and after a plan, worked out from what they hold now and from what has been done of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IN_FLIGHT = frozenset(("requested", "running", "switching to post-copy", "verifying"))
GIVEN_UP = frozenset(("failed", "skipped", "replaced"))


@dataclass(frozen=True, slots=True)
class HostAccount:
    """One host and one resource class: what it has, what was taken before, and what is taken when all is done."""

    name: str
    capacity: int
    before: int
    after: int
    instances_before: int
    instances_after: int

    def changed(self) -> bool:
        return (self.before, self.instances_before) != (self.after, self.instances_after)


def accounts(
    hosts: Sequence[Mapping[str, Any]],
    planned: Sequence[Mapping[str, Any]],
    states: Mapping[int, str],
    resources: Mapping[str, Mapping[str, int]],
    kind: str,
) -> list[HostAccount]:
    """One account per host, in the order of ``hosts`` (as the API shows them now).

    ``planned``: the plan's migrations; ``states``: how each stands, by its id; ``resources``: what each instance
    takes. What is in flight is counted at both ends now, as Placement does.
    """
    at = {str(host["name"]): number for number, host in enumerate(hosts)}
    now = [int(host["used"].get(kind, 0)) for host in hosts]
    here = [int(host["instances"]) for host in hosts]
    before, before_here = list(now), list(here)
    after, after_here = list(now), list(here)
    for step in planned:
        amount = int(resources.get(step["instance"], {}).get(kind, 0))
        source, dest = at.get(step["source"]), at.get(step["dest"])
        state = states.get(step["id"], "pending")
        if state == "done":
            _move(before, before_here, dest, source, amount)
        elif state in IN_FLIGHT:
            _put(before, dest, -amount)
            _put(after, source, -amount)
            _move(after, after_here, source, dest, 0)
        elif state not in GIVEN_UP:
            _move(after, after_here, source, dest, amount)
    return [
        HostAccount(
            name,
            int(hosts[number]["capacity"].get(kind, 0)),
            before[number],
            after[number],
            before_here[number],
            after_here[number],
        )
        for name, number in at.items()
    ]


def _move(amounts: list[int], counts: list[int], source: int | None, dest: int | None, amount: int) -> None:
    _put(amounts, source, -amount)
    _put(amounts, dest, amount)
    _put(counts, source, -1)
    _put(counts, dest, 1)


def _put(amounts: list[int], place: int | None, amount: int) -> None:
    if place is not None:
        amounts[place] += amount
