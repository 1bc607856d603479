"""The contract of a placement policy (stevedore group ``vmpath.policies``)."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.options import Option, OptionValue
from vmpath_service.policies.course import Course, Point, Rescored
from vmpath_service.policies.guards import GUARDS


@dataclass(frozen=True, slots=True)
class Scope:
    """What a decision may touch; empty means no restriction of that kind.

    ``zones`` and ``aggregates`` restrict sources and destinations. ``hosts`` are the hosts that the request
    names: those to be emptied for ``drain``, else the only ones to be touched.
    """

    zones: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """How good a placement is; lower is better. ``terms`` explain ``value`` in the policy's own words."""

    value: float
    unit: str
    terms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Leftover:
    """An instance that the policy would have moved but may not, with a reason a person can act on."""

    instance: str
    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy's answer: a target that is sane by itself, though a path to it need not exist.

    ``placement``: uuid to host of every instance that is to be elsewhere than now, nothing else, in the order in
    which the migrations do most good: where guards allow only some of them, it is the first.
    ``disable``: hosts that must take nothing in from before the first migration (a drain).
    ``emptied``: hosts that the target leaves without any instance.
    ``shortage``: why the target is less than what was asked for, or None; a rearrangement with a shortage ends as
    failed, however far it got. A policy that only improves (packs, evens out) falls short of nothing: where it
    stopped, and why, is one of its ``notes``.
    ``in_use``: hosts that were to be freed and are not, each with what stands in the way.
    ``reasons``: why each instance moves, by uuid. ``curve``: the score after each migration, in an order in which
    each has room when its turn comes; ``decide`` of ``deciding`` fills it in.
    """

    placement: Mapping[str, str]
    before: Score
    after: Score
    leftovers: tuple[Leftover, ...] = ()
    disable: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    in_use: Mapping[str, str] = field(default_factory=dict)
    shortage: str | None = None
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()


class Policy(abc.ABC):
    """Turns a cloud into a target placement.

    A subclass names itself, declares its own ``options`` (``GUARDS`` come on top, names must differ) and
    decides. It is pure and deterministic: the same cloud, settings and scope give the same decision. It moves
    no pinned instance, puts nothing where it is not admitted or has no room, and never makes its score worse.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One sentence for lists."""
    options: ClassVar[tuple[Option, ...]] = ()
    asks_for_all: ClassVar[bool] = False
    """Whether a target that guards cut short is less than what was asked for (a drain), not just less good."""

    hosts_are_sources: ClassVar[bool] = False
    """Whether the hosts of a scope are those to be emptied, instead of the only ones to be touched."""

    def __init__(self, settings: Mapping[str, OptionValue]) -> None:
        """``settings``: a value for each of ``options`` and ``GUARDS``, as ``read_options`` completes them."""
        self.settings = settings

    @classmethod
    def declared(cls) -> tuple[Option, ...]:
        """All options of the policy, guards included."""
        return (*cls.options, *GUARDS)

    @abc.abstractmethod
    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        """The target. Raises NotFound for a host, zone or aggregate that the cloud does not have,
        InvalidInput for a scope or settings that make no sense for it."""

    @abc.abstractmethod
    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        """How good it is to have each instance on host ``where[instance]`` (NOWHERE: not placed).

        Raises what ``decide`` raises.
        """

    def course(self, cloud: CompiledCloud, scope: Scope) -> Course:
        """The score while instances move one by one; to be overridden where it can be kept up to date faster."""
        return Rescored(cloud.home, lambda where: self.score(cloud, where, scope).value)
