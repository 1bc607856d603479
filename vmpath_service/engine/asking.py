"""What a walk asks of Nova: each request is sent once, beside the walk, and what comes of it is an event."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from functools import partial
from typing import Protocol

from oslo_log import log as logging

from vmpath_service.engine.executor.events import Accepted, AnswerLost, Busy, Refused
from vmpath_service.engine.executor.instructions import Ask, Send
from vmpath_service.engine.ports import Clock, Cloud
from vmpath_service.engine.slowdown import Slowdown
from vmpath_service.model.errors import CloudBusy, CloudDenied, CloudError, CloudUnreachable, RequestRefused
from vmpath_service.model.records import Demand

LOG = logging.getLogger(__name__)

AT_ONCE = 8
"""How many requests are sent at once."""
STALE = 0.5
"""The share of the time in which a request may arrive after which one that is not sent yet is not sent any more."""
FRESH_SECONDS = 2.0
"""One that is sent later than this is sent only if no other engine has taken over meanwhile."""

Answer = Accepted | Refused | Busy | AnswerLost


class Senders(Protocol):
    """Who makes calls beside the walk, in the order in which they are handed over."""

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        """Have it called; returns at once."""

    def wait(self, handed_over: Collection[Future[Answer]], seconds: float | None) -> None:
        """Return when all of these are done, or after so many seconds."""

    def close(self) -> None:
        """Return when the calls that have begun are done; the others never begin."""


class Threads:
    """A few threads: fulfils ``Senders``."""

    def __init__(self, most: int = AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(most, "send")

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        """Have it called by the first thread that is free."""
        return self._pool.submit(call)

    def wait(self, handed_over: Collection[Future[Answer]], seconds: float | None) -> None:
        """Return when all of these are done, or after so many seconds."""
        wait_for(handed_over, seconds)

    def close(self) -> None:
        """Return when the calls that have begun are done; the others never begin."""
        self._pool.shutdown(cancel_futures=True)


class Asking:
    """The requests of one walk, and their answers. Of the walk's thread, but for the sending.

    ``settle_seconds``: how long a request may take to arrive. ``still_ours``: whether no other engine has taken over.
    ``stopping``: whether the engine is asked to stop; what is not sent by then is not sent any more.
    """

    def __init__(
        self,
        identity: str,
        *,
        cloud: Cloud,
        clock: Clock,
        slowdown: Slowdown,
        settle_seconds: float,
        still_ours: Callable[[], bool],
        stopping: Callable[[], bool],
        senders: Senders,
    ) -> None:
        self._identity = identity
        self._cloud = cloud
        self._clock = clock
        self._slowdown = slowdown
        self._settle_seconds = settle_seconds
        self._still_ours = still_ours
        self._stopping = stopping
        self._senders = senders
        self._sent: list[Future[Answer]] = []

    def send(self, asks: Sequence[Send | Ask], decided_at: float) -> None:
        """Have these sent; returns at once. ``decided_at``: when it was decided, by the monotonic clock."""
        self._sent += [self._senders.submit(partial(self._ask, ask, decided_at)) for ask in asks]

    def wait(self, seconds: float | None) -> None:
        """Return when all that was sent is answered, or after so many seconds."""
        if self._sent:
            self._senders.wait(self._sent, seconds)

    def take(self) -> list[Answer]:
        """What has been answered by now and was not taken before, in the order in which it was sent."""
        sent, self._sent = self._sent, []
        answered = []
        for each in sent:
            if each.done():
                answered.append(each.result())
            else:
                self._sent.append(each)
        return answered

    def close(self) -> None:
        """Send nothing more: what is not sent by now would be sent by one that has given up."""
        self._senders.close()

    def _ask(self, ask: Send | Ask, decided_at: float) -> Answer:
        """Ask Nova, once; whatever comes of it is an event."""
        demand = ask.demand if isinstance(ask, Ask) else None
        if self._stopping():
            # whoever stops waits for what has been sent, and Nova may take its time for each
            return Busy(ask.step, self._clock.time(), "it was not sent, as the engine stops", demand)
        late = self._clock.monotonic() - decided_at
        if late > self._settle_seconds * STALE:
            # this engine stood still: another one may have taken over and given the request up by now
            return Busy(ask.step, self._clock.time(), f"it was not sent, {late:.0f} s after it was decided", demand)
        if late > FRESH_SECONDS and not self._still_ours():
            return Busy(ask.step, self._clock.time(), "it was not sent: another engine may have taken over", demand)
        try:
            _request(self._cloud, ask)
        except CloudBusy as error:
            self._slowdown.busy(error.retry_after)
            return Busy(ask.step, self._clock.time(), str(error), demand)
        except CloudUnreachable as error:
            # it surely never left
            return Busy(ask.step, self._clock.time(), str(error), demand)
        except (RequestRefused, CloudDenied) as error:
            return Refused(ask.step, self._clock.time(), str(error), demand)
        except CloudError as error:
            return AnswerLost(ask.step, str(error), demand)
        except Exception as error:
            LOG.exception("Rearrangement %s: the request of step %s broke", self._identity, ask.step)
            return AnswerLost(ask.step, f"{type(error).__name__}: {error}", demand)
        return Accepted(ask.step, demand)


def _request(cloud: Cloud, ask: Send | Ask) -> None:
    match ask:
        case Send(_, instance, dest, "cold"):
            cloud.cold_migrate(instance, dest)
        case Send(_, instance, dest):
            cloud.live_migrate(instance, dest)
        case Ask(_, Demand.ABORT, instance, migration):
            cloud.abort(instance, migration)
        case Ask(_, Demand.FORCE_COMPLETE, instance, migration):
            cloud.force_complete(instance, migration)
        case Ask(_, Demand.CONFIRM, instance):
            cloud.confirm_resize(instance)
        case Ask(_, Demand.REVERT, instance):
            cloud.revert_resize(instance)
        case Ask(_, Demand.RESET_STATE, instance):
            cloud.reset_state(instance)
