"""What the operator declares of aggregates, brought to the hosts of the cloud that was read. Pure mapping."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from vmpath_service.model.declarations import EVERY_HOST, UNDECLARED, Declaration, Declarations
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.snapshot import Aggregate, Host


@dataclass(frozen=True, slots=True)
class Declared:
    """By host, the same value for all hosts of the same aggregates; ``notes``: what is wrong with what is declared,
    one sentence each."""

    of_host: Mapping[str, Declaration]
    notes: tuple[str, ...]

    def of(self, host: str) -> Declaration:
        """What is declared of a host; all is unknown of one that is not in the cloud."""
        return self.of_host.get(host, UNDECLARED)


def absent(declarations: Declarations, known: Collection[str]) -> tuple[str, ...]:
    """The aggregates that something is declared of and that the cloud does not have."""
    return tuple(sorted(declarations.of_aggregate.keys() - {EVERY_HOST, *known}))


def declared(
    declarations: Declarations,
    aggregates_of: Mapping[str, tuple[Aggregate, ...]],
    hosts: Iterable[str],
    known: Collection[str],
) -> Declared:
    """What holds for each of these hosts. ``known``: the names of all aggregates of the cloud.

    Raises NoDecision where a host would be in two cells.
    """
    notes = [
        f"[aggregate:{name}] declares something of an aggregate that the cloud does not have"
        for name in absent(declarations, known)
    ]
    found: dict[str, Declaration] = {}
    resolved: dict[tuple[str, ...], tuple[Declaration, tuple[str, ...]]] = {}
    contradicted: dict[str, list[str]] = {}
    for host in hosts:
        names = tuple(aggregate.name for aggregate in aggregates_of.get(host, ()))
        if names not in resolved:
            resolved[names] = declarations.of_host(names)
        found[host], against = resolved[names]
        if "cell" in against:
            raise NoDecision(
                f"host {host} is declared to be in several cells by its aggregates ({', '.join(names)}): no migration"
                " leaves its cell, so that it must be known"
            )
        for name in against:
            contradicted.setdefault(name, []).append(host)
    notes += [
        f"the aggregates of {len(those)} hosts contradict each other about {name}, the first is {those[0]}: it counts"
        " as unknown"
        for name, those in sorted(contradicted.items())
    ]
    return Declared(found, tuple(notes))


def cell_of(host: str, aggregates: Iterable[Aggregate], cell_key: str, declaration: Declaration) -> str | None:
    """The cell that a host is in, by the metadata of its aggregates or by declaration.

    Raises NoDecision where they do not agree.
    """
    said = {each.metadata[cell_key] for each in aggregates if each.metadata.get(cell_key)}
    if declaration.cell is not None:
        said.add(declaration.cell)
    if len(said) > 1:
        raise NoDecision(
            f"host {host} is in several cells by its aggregates ({', '.join(sorted(said))}): no migration leaves its"
            " cell, so that it must be known"
        )
    return said.pop() if said else None


def cells_left_out(hosts: Collection[Host]) -> str | None:
    """What to say where the cells of some hosts are known and those of others are not."""
    without = sorted(host.name for host in hosts if host.cell is None)
    if not without or len(without) == len(hosts):
        return None
    return (
        f"of {len(without)} hosts it is not declared in which cell they are, the first is {without[0]}, while it is of"
        " the others: a plan may cross the border of a cell there, which Nova then refuses"
    )
