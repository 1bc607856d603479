"""How the executor behaves: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vmpath_service.engine.executor.facts import Mode
from vmpath_service.model.windows import Window

OnFailure = Literal["retry", "other-destination", "skip", "replan", "rollback", "stop"]
ON_FAILURE: tuple[OnFailure, ...] = get_args(OnFailure)
NotConverging = Literal["wait", "post-copy", "pause", "abort"]
NOT_CONVERGING: tuple[NotConverging, ...] = get_args(NotConverging)
WhenStuck = Literal["tell", "abort"]
Pace = Literal["streaming", "waves"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many migrations may be in flight at once; None: no limit of that kind.

    ``per_group``: members of a server group, or of a group that metadata name. ``per_zone`` and ``per_link`` count
    what leaves or reaches an availability zone, or goes over a shared link of the network.
    """

    per_source: int | None = 2
    per_destination: int | None = 2
    in_total: int | None = 40
    per_group: int | None = 1
    per_project: int | None = None
    per_zone: int | None = None
    per_link: int | None = None


@dataclass(frozen=True, slots=True)
class Convergence:
    """What is done about a migration that copies memory more slowly than the guest writes to it.

    ``action``: what is done if it does not converge and its mode says nothing else. It does not converge when the
    rest has not become smaller for ``stall_seconds`` after the first full pass, or when it is predicted to take
    longer than ``seconds_per_gib`` for every GiB of memory, and ``least_seconds`` in any case.
    ``max_downtime_seconds``: a guest is not paused for longer, as predicted; None: for however long.
    """

    action: NotConverging = "post-copy"
    seconds_per_gib: float = 120.0
    least_seconds: float = 120.0
    stall_seconds: float = 60.0
    max_downtime_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """After ``failures`` failed migrations in a row nothing is moved to or from a host for ``seconds`` after the last;
    then one at a time is tried, until one is done. 0: never."""

    failures: int = 3
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How the executor behaves; times in seconds.

    ``settle_seconds``: what looks like an end is looked at again after so long.
    ``abort_settle_seconds``: the same after a migration was cancelled, which Nova may yet turn into an error.
    ``request_settle_seconds``: how long a request may be on its way (the longest time-out of any proxy before
    Nova, and what Nova's queues may take). An instance that shows no task for so long, while Nova shows no ended
    record of the request, is not being migrated.
    ``start_wait_seconds``: how long a migration that could start otherwise waits for its destination to have room
    or its instance to be idle.
    ``verify_seconds``: how long after Nova's record has ended the instance may take to show it.
    ``stuck_seconds``: without any change in Nova's record for so long, ``when_stuck`` says what is done.
    ``retries``: how often a migration that came to nothing is tried again, ``retry_seconds``: how long after it the
    first time, twice as long each time after.
    ``on_failure``: what is done about one that has failed for good. ``max_destinations``: how many other
    destinations are tried. ``max_replans``: how many new plans are made.
    ``max_failure_percent``: nothing more is started when more than that of at least ``failure_sample`` have failed.
    ``reset_state``: whether an instance that Nova calls ERROR after an abort, though it runs on, is called active
    again. ``warm_up``: so many are done one by one before the limits hold. ``cool_down_seconds``: how long after
    another rearrangement has moved an instance it is left alone. ``no_go``: windows in which nothing starts.
    ``pace``: waves start one after the other has ended.
    """

    limits: Limits = Limits()
    settle_seconds: float = 5.0
    abort_settle_seconds: float = 15.0
    request_settle_seconds: float = 120.0
    start_wait_seconds: float = 300.0
    verify_seconds: float = 120.0
    stuck_seconds: float = 600.0
    when_stuck: WhenStuck = "tell"
    retries: int = 2
    retry_seconds: float = 30.0
    on_failure: OnFailure = "replan"
    max_destinations: int = 2
    max_replans: int = 3
    max_failure_percent: int | None = None
    failure_sample: int = 5
    quarantine: Quarantine = Quarantine()
    mode: Mode = "auto"
    convergence: Convergence = Convergence()
    reset_state: bool = False
    warm_up: int = 0
    cool_down_seconds: float = 0.0
    no_go: tuple[Window, ...] = ()
    pace: Pace = "streaming"

    def rest(self, failures: int, answered: bool) -> float:
        """How long after so many failures the next attempt may come: a request without an answer is waited out."""
        rest = self.retry_seconds * 2.0 ** max(0, failures - 1)
        return rest if answered else max(rest, self.request_settle_seconds)

    def attempts(self) -> int:
        """How often a migration to one destination is tried in all."""
        return 1 if self.on_failure == "skip" else 1 + self.retries
