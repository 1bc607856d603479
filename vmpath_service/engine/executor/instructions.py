"""What the executor asks its surroundings to do, in the order given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmpath_service.model.records import Migration

Outcome = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Intend:
    """Journal the intention, durably, then report ``Intended``."""

    migration: Migration


@dataclass(frozen=True, slots=True)
class Send:
    """Ask Nova, once, then report ``Accepted``, ``Refused`` or ``AnswerLost``."""

    step: int
    instance: str
    dest: str


@dataclass(frozen=True, slots=True)
class Record:
    """Write down how a migration stands now."""

    migration: Migration


@dataclass(frozen=True, slots=True)
class Tell:
    """Something happened that people want to know."""

    kind: str
    message: str
    step: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing will happen any more."""

    outcome: Outcome
    explanation: str | None


Instruction = Intend | Send | Record | Tell | Finish
