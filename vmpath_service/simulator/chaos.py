"""What goes wrong by itself in a simulated cloud, and how often: a value, and how it is written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

# The kinds of one family exclude each other, so that their shares may not exceed 1 together.
OF_REQUESTS = ("too_many", "unavailable", "drop_before", "drop_after", "slow")
OF_MIGRATIONS = ("refuse", "fail_before", "fail_mid", "fail_after", "hang")
BY_OTHERS = ("create", "delete", "resize", "stop", "move")


@dataclass(frozen=True, slots=True)
class Chaos:
    """How often what goes wrong. All zero: nothing does. Equal values give equal chaos.

    Shares of all requests, 0 to 1: too_many (429), unavailable (503), drop_before and drop_after
    (the connection is closed before, after the deed), slow (answered after slow_s real seconds).
    retry_after_s goes with 429 and 503.

    Share of the accepted requests to live-migrate: duplicate, which arrive once more
    duplicate_after_s later.

    Shares of live migrations: refuse (the scheduler refuses), fail_before, fail_mid and fail_after
    (the guest has switched hosts), hang (never ends copying by itself).

    Times an hour, for each host: die, a nova-compute that comes back after dead_for_s on average.
    Times an hour, for each server: create, delete, resize (confirmed confirm_after_s later), stop
    (or start, when it is stopped) and move, all done by others.

    Raises ValueError for a rate below 0 or shares of more than 1 together.
    """

    seed: int = 0
    too_many: float = 0.0
    unavailable: float = 0.0
    drop_before: float = 0.0
    drop_after: float = 0.0
    slow: float = 0.0
    duplicate: float = 0.0
    refuse: float = 0.0
    fail_before: float = 0.0
    fail_mid: float = 0.0
    fail_after: float = 0.0
    hang: float = 0.0
    die: float = 0.0
    create: float = 0.0
    delete: float = 0.0
    resize: float = 0.0
    stop: float = 0.0
    move: float = 0.0
    retry_after_s: int = 1
    slow_s: float = 1.0
    duplicate_after_s: float = 30.0
    dead_for_s: float = 120.0
    confirm_after_s: float = 60.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "seed" and not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"chaos: {field.name} must be a number of at least 0, not {value}")
        for family in (OF_REQUESTS, OF_MIGRATIONS, ("duplicate",)):
            if math.fsum(getattr(self, name) for name in family) > 1 + 1e-9:
                raise ValueError(f"chaos: the shares {', '.join(family)} are more than 1 together")

    @property
    def disturbs_requests(self) -> bool:
        return any(getattr(self, name) for name in OF_REQUESTS)


def at_rate(rate: float, seed: int = 0) -> Chaos:
    """Some of everything.

    rate: the share of requests, and of migrations, that something befalls, and of duplicates; and
    how often an hour each host dies, and others do each of their deeds for each server.
    Raises ValueError when it is not from 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"chaos: the rate must be from 0 to 1, not {rate}")
    chosen = {name: rate / len(family) for family in (OF_REQUESTS, OF_MIGRATIONS) for name in family}
    chosen |= dict.fromkeys(("duplicate", "die", *BY_OTHERS), rate)
    return Chaos(seed=seed, **chosen)  # type: ignore[arg-type]


def from_fields(given: Mapping[str, object]) -> Chaos:
    """A value from the names and numbers of `Chaos`, and `rate`, which gives those not named.

    Raises ValueError for an unknown name, or what is no number in its range.
    """
    kinds = {field.name: type(field.default) for field in dataclasses.fields(Chaos)}
    chosen: dict[str, float | int] = {}
    for name, value in given.items():
        if name != "rate" and name not in kinds:
            raise ValueError(f"chaos has no {name!r}: there are rate, {', '.join(kinds)}")
        whole = kinds.get(name) is int
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise ValueError(f"chaos: {name} must be a {'whole ' if whole else ''}number, not {value!r}")
        chosen[name] = value
    rate = chosen.pop("rate", 0.0)
    return dataclasses.replace(at_rate(rate), **chosen)  # type: ignore[arg-type]


def parse(options: list[str], seed: int) -> Chaos:
    """The options of a command line, each `RATE` or `NAME=NUMBER`. Raises ValueError."""
    given: dict[str, object] = {"seed": seed}
    for option in options:
        name, equals, number = option.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise ValueError(f"{option!r} is not RATE or NAME=NUMBER") from None
        given[name if equals else "rate"] = int(value) if value.is_integer() else value
    return from_fields(given)
