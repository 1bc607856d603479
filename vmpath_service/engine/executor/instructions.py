"""What the executor asks its surroundings to do, in the order given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmpath_service.engine.executor.state import Planning
from vmpath_service.model.records import Demand, HostAction, Migration

Outcome = Literal["succeeded", "failed", "cancelled", "rollback", "rolled back"]
"""``rollback``: what was moved is to go back now; ``rolled back``: it is, as far as it could."""


@dataclass(frozen=True, slots=True)
class Intend:
    """Journal the intention, durably, then report ``Intended``."""

    migration: Migration


@dataclass(frozen=True, slots=True)
class Send:
    """Ask Nova for a migration, once, then report ``Accepted``, ``Refused``, ``Busy`` or ``AnswerLost``."""

    step: int
    instance: str
    dest: str
    method: str = "live"


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask Nova something about a migration that it has begun, once, then report as for ``Send``. That it is asked is
    in the database already."""

    step: int
    demand: Demand
    instance: str
    migration: int


@dataclass(frozen=True, slots=True)
class Act:
    """Carry out a host step, then report ``HostActed``."""

    action: HostAction


@dataclass(frozen=True, slots=True)
class Plan:
    """Have a new plan made for the rest, or another destination found for ``step``; then report ``Replanned``,
    ``Diverted`` or ``NotReplanned``."""

    what: Planning
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Blame:
    """A migration between these hosts failed; after ``limit`` of them in a row they are left alone for a while."""

    hosts: tuple[str, ...]
    reason: str
    limit: int


@dataclass(frozen=True, slots=True)
class Absolve:
    """A migration between these hosts is done."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Write down how a migration stands now."""

    migration: Migration


@dataclass(frozen=True, slots=True)
class Tell:
    """Something happened that people want to know."""

    kind: str
    message: str
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing will happen any more."""

    outcome: Outcome
    explanation: str | None


Instruction = Intend | Send | Ask | Act | Plan | Blame | Absolve | Record | Tell | Finish
