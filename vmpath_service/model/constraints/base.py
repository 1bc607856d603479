"""The contract of a constraint plug-in (stevedore group ``vmpath.constraints``)."""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vmpath_service.model.options import Option, OptionValue
from vmpath_service.model.snapshot import Host, Instance, Snapshot


@dataclass(frozen=True, slots=True)
class Filter:
    """Which hosts an instance may be on, whatever else is there (a mask per class of instances).

    ``instance_key`` and ``host_key`` say what the answer depends on; ``None`` as instance key means "no
    restriction". ``refusal`` is asked once per pair of keys, with any instance and host that have them, and
    returns None or the reason why not, in words for an operator.
    """

    instance_key: Callable[[Instance], Hashable]
    host_key: Callable[[Host], Hashable]
    refusal: Callable[[Instance, Host], str | None]


@dataclass(frozen=True, slots=True)
class Passage:
    """Between which hosts any instance may be migrated, whatever it is (not asked for arrivals).

    ``host_key`` says what the answer depends on; ``refusal`` gets the source and the destination and is asked
    once per pair of keys.
    """

    host_key: Callable[[Host], Hashable]
    refusal: Callable[[Host, Host], str | None]


@dataclass(frozen=True, slots=True)
class Dimension:
    """An amount that instances take of hosts; integer, never negative.

    ``capacity`` and ``taken`` (by what no instance explains) have one entry per host of the snapshot, in its
    order; ``demand`` one per instance, in its order. An instance may arrive where
    ``taken + demands of all holders + its own <= capacity``, judged only if its own demand is not 0.
    """

    name: str
    capacity: Sequence[int]
    taken: Sequence[int]
    demand: Sequence[int]


@dataclass(frozen=True, slots=True)
class Counter:
    """At most ``limit`` of ``members`` (instance uuids) on any one host."""

    name: str
    limit: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompiledConstraint:
    """What a constraint comes down to for one snapshot.

    ``pinned``: instances that may not be migrated, with the reason.

    ``veto``: asked for the chosen move alone, with the hosts of all instances at that moment (uuid to host name; None
    while not placed); returns None or the reason. An instance in flight is shown at one end of its migration: the move
    is forbidden if it is for either. A veto is slow: use it only for what the rest cannot say.

    ``veto_scope``: the names of the hosts on whose residents the veto's answer for this instance and this destination
    can depend, or None for all. Migrations to or from these hosts are kept from running at the same time as the move,
    all others are not: name all of them, and few. Without it, one migration runs after the other.
    """

    filters: tuple[Filter, ...] = ()
    passages: tuple[Passage, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    counters: tuple[Counter, ...] = ()
    pinned: Mapping[str, str] = field(default_factory=dict)
    veto: Callable[[Instance, Host, Mapping[str, str | None]], str | None] | None = None
    veto_scope: Callable[[Instance, Host], Collection[str] | None] | None = None


class Constraint(abc.ABC):
    """A rule that no placement on the way may break.

    A subclass names itself, declares its ``options`` and compiles itself for a snapshot. It is pure: the same
    snapshot and settings give the same result, nothing is read or written elsewhere. It holds for every
    intermediate state and for instances in flight, which count at both ends. What breaks the rule at the
    start may stay or shrink, never grow.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, settings: Mapping[str, OptionValue] | None = None) -> None:
        self.settings: Mapping[str, OptionValue] = settings or {}

    @abc.abstractmethod
    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        """The rule for this snapshot; raises InvalidInput where the snapshot's ``extra`` data are wrong."""
