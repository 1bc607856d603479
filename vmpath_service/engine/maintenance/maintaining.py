"""The life of one maintenance, carried on from whatever state it is in. Run in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import tenacity
from oslo_log import log as logging

from vmpath_service.engine.hosts import HostSwitch
from vmpath_service.engine.maintenance.emptiness import remainders
from vmpath_service.engine.maintenance.ports import Hooks, Rearrangements, Records
from vmpath_service.engine.ports import Clock, Cloud
from vmpath_service.engine.walk import stored
from vmpath_service.model.errors import CloudDenied, CloudError, HookFailed, NotFound, VmpathError
from vmpath_service.model.maintenances import Maintenance, MaintenanceState, Round
from vmpath_service.model.placement import Placement
from vmpath_service.model.records import ENDED, Rearrangement, RearrangementState, Request
from vmpath_service.model.snapshot import Snapshot

LOG = logging.getLogger(__name__)

LOOKS_AHEAD = (3600.0, 600.0)
"""Seconds before the start at which it is found out again whether it fits."""
DRAINS = 3
"""How often the hosts of a round are drained at most: instances may have landed while the first one went on."""
_READ_ATTEMPTS = 5

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    """Times in seconds. ``return_seconds``: how long hosts may take to be up again; ``settle_seconds``: for how long
    they have to be up before they are taken into service."""

    poll_seconds: float = 2.0
    return_seconds: float = 1800.0
    settle_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all maintenances share.

    ``tell`` gets kind, message and the maintenance. ``keep_placement`` writes a placement down and returns the
    options of a rearrangement with policy ``target`` that lead to it.
    """

    cloud: Cloud
    records: Records
    rearrangements: Rearrangements
    hooks: Hooks
    clock: Clock
    settings: MaintenanceSettings
    stopping: Callable[[], bool]
    tell: Callable[[str, str, str], None]
    keep_placement: Callable[[str, Placement], dict[str, Any]]
    turn: threading.Lock
    """Held while hosts are chosen: two maintenances that begin at once must each see what the other takes."""


class _Stopped(Exception):
    """The engine stops; what was being done is taken up again when it starts."""


class Maintaining:
    """Carries one maintenance as far as it goes without a person."""

    def __init__(self, identity: str, around: Surroundings) -> None:
        self._identity = identity
        self._around = around
        self._epoch = 0

    def carry_on(self) -> None:
        """Until it has ended or the engine stops. Raises StoreError, and Fenced when another engine has taken over."""
        try:
            self._epoch = self._stored(lambda: self._around.records.claim(self._identity))
            phases: dict[MaintenanceState, Callable[[Maintenance], None]] = {
                MaintenanceState.SCHEDULED: self._wait_for_start,
                MaintenanceState.DRAINING: self._drain,
                MaintenanceState.READY: self._work,
                MaintenanceState.RETURNING: self._take_back,
            }
            while not (record := self._record()).ended():
                phases[record.state](record)
        except NotFound:
            LOG.info("Maintenance %s: deleted", self._identity)
        except _Stopped:
            LOG.info("Maintenance %s: left as it is until the engine starts again", self._identity)

    # scheduled

    def _wait_for_start(self, record: Maintenance) -> None:
        now = self._around.clock.time()
        if record.cancel_requested:
            self._end(record, MaintenanceState.CANCELLED, "cancelled before it began")
            return
        moments = [record.created_at, *(record.start - before for before in LOOKS_AHEAD)]
        due = any(moment <= now and (record.checked is None or record.checked < moment) for moment in moments)
        if due and (record.request.dry_run or now < record.start):
            self._look_ahead(record, now)
            return
        if now < record.start or record.pause_requested:
            self._wait()
            return
        late = now - record.start
        if late > 60 and not record.rounds:
            self._tell("late", f"it begins {late:.0f} s late")
        self._begin_round(record)

    def _look_ahead(self, record: Maintenance, now: float) -> None:
        """Find out whether it still fits, and say at once if not."""
        hosts, short = self._fitting(record)
        if record.request.rolling and hosts:
            short = None
        self._change(checked=now, warning=short)
        if short is not None:
            self._tell("short", f"it does not fit as things are: {short}")
        if record.request.dry_run:
            said = f"{len(hosts)} of {len(record.request.hosts)} hosts fit at first" if hosts else "nothing fits"
            self._end(self._record(), MaintenanceState.DONE, short or f"dry run: {said}; nothing was moved")

    def _begin_round(self, record: Maintenance) -> None:
        with self._around.turn:
            hosts, short = self._fitting(record)
            if short is not None and (not record.request.rolling or not hosts):
                self._fail(record, f"it does not fit: {short}")
                return
            rounds = (*record.rounds, Round(hosts))
            former = record.former
            if record.request.afterwards == "restore":
                here = {each.uuid: each.host for each in self._read().instances if each.host in hosts}
                # who was moved here by an earlier round was somewhere else before
                former = {uuid: host for uuid, host in here.items() if host is not None} | former
            self._change(
                former=former,
                rounds=rounds,
                state=MaintenanceState.DRAINING,
                phase_since=self._around.clock.time(),
                drains=0,
                rearrangement=None,
                hook_begun=False,
            )
        which = f" (round {len(rounds)})" if record.request.rolling else ""
        self._tell("draining", f"draining {', '.join(hosts)}{which}")

    def _fitting(self, record: Maintenance) -> tuple[tuple[str, ...], str | None]:
        """As many of the hosts that still wait as can be drained at once, and what is short for all of them."""
        left, request = record.hosts_left(), record.request
        most = min(len(left), request.max_hosts or len(left)) if request.rolling else len(left)
        short = self._shortage(record, left[:most])
        if short is None or not request.rolling:
            return left[:most], short
        fits, too_many = 0, most
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self._shortage(record, left[:middle]) is None:
                fits = middle
            else:
                too_many = middle
        return left[:fits], short

    def _shortage(self, record: Maintenance, hosts: Sequence[str]) -> str | None:
        """Why these hosts cannot be drained at once, by a plan of which nothing is carried out."""
        made = self._around.rearrangements.create(self._request(record, hosts, dry_run=True))
        try:
            planned = self._follow(made.id)
            if planned.state is RearrangementState.FAILED:
                return planned.explanation or "no plan was found"
            decision = planned.decision or {}
            left = decision.get("leftovers") or ()
            if left and record.request.leftovers == "refuse":
                return decision.get("shortage") or f"{len(left)} instances would stay: {left[0].get('reason')}, ..."
            return None if left else decision.get("shortage")
        finally:
            self._forget(made.id)

    def _forget(self, identity: str) -> None:
        try:
            self._around.rearrangements.delete(identity)
        except VmpathError as error:
            LOG.info("Maintenance %s: dry run %s stays: %s", self._identity, identity, error)

    # draining

    def _drain(self, record: Maintenance) -> None:
        hosts = record.hosts_now()
        if record.cancel_requested and record.rearrangement is None:
            self._put_back_and_end(record, MaintenanceState.CANCELLED, "cancelled")
            return
        try:
            self._switch().disable(hosts, record.disabled)
        except CloudError as error:
            self._fail(self._record(), f"a host could not be disabled: {error}")
            return
        if record.rearrangement is None:
            # after a crash the drain may be under way though its id was not written down
            wanted = self._request(record, hosts)
            same = [each for each in self._around.rearrangements.going() if each.request == wanted]
            made = same[0] if same else self._around.rearrangements.create(wanted)
            record = self._change(rearrangement=made.id, drains=record.drains + 1)
        drained = self._follow(str(record.rearrangement), cancellable=True)
        if self._record().cancel_requested:
            self._put_back_and_end(self._record(), MaintenanceState.CANCELLED, "cancelled while draining")
            return
        self._judge(self._record(), drained)

    def _judge(self, record: Maintenance, drained: Rearrangement) -> None:
        """Empty, by Nova and by Placement; or not, and then what."""
        left = remainders(self._read(), record.hosts_now())
        said = "; ".join(each.in_words() for each in left)
        fine = drained.state is RearrangementState.SUCCEEDED
        if left and fine and record.drains < DRAINS and record.request.leftovers == "refuse":
            self._tell("again", f"not empty yet: {said}; draining again")
            self._change(rearrangement=None)
            return
        if left and record.request.leftovers == "refuse":
            why = f" (rearrangement {drained.id}: {drained.explanation})" if drained.explanation else ""
            self._fail(record, f"the hosts could not be emptied: {said}{why}")
            return
        self._change(
            state=MaintenanceState.READY,
            phase_since=self._around.clock.time(),
            rearrangement=None,
            explanation=f"left in place: {said}" if left else None,
        )
        hosts = ", ".join(record.hosts_now())
        what = f"ready for work, with what was accepted: {said}" if left else f"{hosts}: empty and ready for work"
        if record.request.action == "none":
            what += f" (vmpath maintenance complete {self._identity} when it is done)"
        self._tell("ready", what)

    # ready

    def _work(self, record: Maintenance) -> None:
        hosts, request = record.hosts_now(), record.request
        if record.cancel_requested:
            self._put_back_and_end(record, MaintenanceState.CANCELLED, "cancelled while its hosts were empty")
            return
        if set(hosts) <= set(record.completed):
            self._return(record)
            return
        if request.action == "hook" and not record.hook_begun:
            self._run_hook(record)
            return
        overdue = request.duration_s is not None and (
            self._around.clock.time() > record.phase_since + request.duration_s
        )
        if overdue and not record.overdue:
            self._change(overdue=True)
            named = ", ".join(hosts)
            self._tell("overdue", f"the work on {named} takes longer than the {request.duration_s:g} s expected")
        self._wait()

    def _run_hook(self, record: Maintenance) -> None:
        hosts, name = record.hosts_now(), str(record.request.hook)
        # should the service end while it runs, it is not run again: nobody knows how far it came
        self._change(hook_begun=True)
        self._tell("hook", f"hook {name} begun for {', '.join(hosts)}")
        occasion = {
            "event": "maintenance.ready",
            "maintenance": self._identity,
            "hosts": list(hosts),
            "reason": record.request.reason,
            "round": len(record.rounds),
        }
        try:
            self._around.hooks.run(name, occasion)
        except HookFailed as error:
            self._fail(self._record(), f"hook {name} failed: {error}", keep=True)
            return
        self._tell("hook_done", f"hook {name} done")
        self._return(self._record())

    def _return(self, record: Maintenance) -> None:
        self._change(
            state=MaintenanceState.RETURNING, phase_since=self._around.clock.time(), completed=record.hosts_now()
        )
        self._tell("returning", f"waiting for {', '.join(record.hosts_now())} to be up")

    # returning

    def _take_back(self, record: Maintenance) -> None:
        hosts = record.hosts_now()
        if hosts:
            if not self._all_up(record, hosts):
                return
            self._enable(record, hosts)
            return
        if record.hosts_left() and not record.cancel_requested:
            if record.pause_requested:
                self._wait()
                return
            self._begin_round(record)
            return
        if record.cancel_requested:
            self._end(record, MaintenanceState.CANCELLED, "cancelled between two rounds")
            return
        self._afterwards(record)

    def _all_up(self, record: Maintenance, hosts: Sequence[str]) -> bool:
        """Whether all are up, and were when looked at before; fails it when they take too long."""
        clock, settings = self._around.clock, self._around.settings
        since: float | None = None
        while True:
            try:
                found = self._around.cloud.read_hosts(hosts)
                down = [name for name in hosts if name not in found or not found[name].up]
            except CloudError as error:
                LOG.warning("Maintenance %s: the hosts cannot be looked at: %s", self._identity, error)
                down = list(hosts)
            now = clock.time()
            since = None if down else since or now
            if since is not None and now - since >= settings.settle_seconds:
                return True
            if now - record.phase_since > settings.return_seconds:
                self._fail(record, f"{', '.join(down)}: not up after {settings.return_seconds:g} s", keep=True)
                return False
            if self._record().cancel_requested:
                self._put_back_and_end(self._record(), MaintenanceState.CANCELLED, "cancelled while coming back")
                return False
            self._wait()

    def _enable(self, record: Maintenance, hosts: Sequence[str]) -> None:
        ours = tuple(host for host in record.disabled if host in hosts)
        left = self._switch().enable(ours)
        if left:
            self._fail(self._record(), f"{', '.join(left)} could not be enabled again", keep=True)
            return
        theirs = [host for host in hosts if host not in ours]
        rounds = (*record.rounds[:-1], Round(tuple(hosts), done=True))
        self._change(rounds=rounds, phase_since=self._around.clock.time())
        self._tell("returned", f"{', '.join(hosts)}: up and back in service")
        if theirs:
            self._tell("not_ours", f"{', '.join(theirs)}: somebody else disabled them, and they stay so")

    def _afterwards(self, record: Maintenance) -> None:
        request = record.request
        if request.afterwards == "nothing":
            self._end(record, MaintenanceState.DONE, record.explanation)
            return
        if record.rearrangement is None:
            try:
                made = self._around.rearrangements.create(self._afterwards_request(record))
            except VmpathError as error:
                self._end(record, MaintenanceState.DONE, f"the hosts are back, but what was to follow failed: {error}")
                return
            record = self._change(rearrangement=made.id)
        followed = self._follow(str(record.rearrangement), cancellable=True)
        if followed.state is RearrangementState.SUCCEEDED:
            self._end(self._record(), MaintenanceState.DONE, record.explanation)
            return
        why = f"rearrangement {followed.id} {followed.state.value}: {followed.explanation}"
        self._end(self._record(), MaintenanceState.DONE, f"the hosts are back, but what was to follow did not: {why}")

    def _afterwards_request(self, record: Maintenance) -> Request:
        if record.request.afterwards == "policy":
            return Request(policy=str(record.request.afterwards_policy), approve=True)
        there = {each.uuid: each.host for each in self._read().instances}
        former = {uuid: host for uuid, host in record.former.items() if there.get(uuid) not in (None, host)}
        options = self._around.keep_placement(self._identity, Placement(placement=dict(former)))
        return Request(policy="target", options=options, approve=True)

    # ends

    def _fail(self, record: Maintenance, why: str, *, keep: bool = False) -> None:
        """``keep``: what was begun on the hosts went wrong, so that they stay out of service."""
        if keep:
            self._change(kept=record.disabled)
            left = ", ".join(record.disabled)
            message = f"{why}; {left} stay disabled until somebody has looked at them" if left else why
            self._end(record, MaintenanceState.FAILED, message)
            return
        self._put_back_and_end(record, MaintenanceState.FAILED, why)

    def _put_back_and_end(self, record: Maintenance, state: MaintenanceState, why: str) -> None:
        left = self._switch().enable(record.disabled) if record.disabled else ()
        if left and self._around.stopping():
            raise _Stopped
        self._end(record, state, f"{why}; {', '.join(left)} could not be enabled again" if left else why)

    def _end(self, record: Maintenance, state: MaintenanceState, why: str | None) -> None:
        self._change(state=state, explanation=why, rearrangement=None)
        self._tell(state.value, f"maintenance {state.value}" + (f": {why}" if why else ""))

    # what everything above stands on

    def _request(self, record: Maintenance, hosts: Sequence[str], *, dry_run: bool = False) -> Request:
        wanted = record.request
        return Request(
            policy=wanted.policy, options=wanted.options, hosts=tuple(hosts), dry_run=dry_run, approve=not dry_run
        )

    def _follow(self, identity: str, *, cancellable: bool = False) -> Rearrangement:
        """The rearrangement when it has ended, or is planned where that is all it does."""
        cancelled = False
        while True:
            found = self._around.rearrangements.show(identity)
            if found.state in ENDED or found.state is RearrangementState.PLANNED:
                return found
            if cancellable and not cancelled and self._record().cancel_requested:
                self._around.rearrangements.cancel(identity)
                cancelled = True
            self._wait()

    def _switch(self) -> HostSwitch:
        return HostSwitch(
            f"vmpath: maintenance {self._identity}",
            self._around.cloud,
            self._around.clock,
            self._around.stopping,
            self._keep_disabled,
        )

    def _keep_disabled(self, hosts: tuple[str, ...]) -> None:
        self._change(disabled=hosts)

    def _read(self) -> Snapshot:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, CloudError) and not isinstance(error, CloudDenied)
            ),
            wait=tenacity.wait_random_exponential(multiplier=1, max=20),
            stop=lambda attempt: attempt.attempt_number >= _READ_ATTEMPTS or self._around.stopping(),
            sleep=self._around.clock.wait,
            reraise=True,
        )
        return retrying(self._around.cloud.read)

    def _record(self) -> Maintenance:
        if self._around.stopping():
            raise _Stopped
        return self._stored(lambda: self._around.records.get(self._identity))

    def _change(self, **values: Any) -> Maintenance:
        def made(record: Maintenance, version: int) -> Maintenance:
            return msgspec.structs.replace(record, version=version, updated_at=self._around.clock.time(), **values)

        return self._stored(lambda: self._around.records.change(self._identity, made, epoch=self._epoch))

    def _stored(self, call: Callable[[], Answer]) -> Answer:
        return stored(call, self._around.clock, self._around.stopping)

    def _wait(self) -> None:
        self._around.clock.wait(self._around.settings.poll_seconds)
        if self._around.stopping():
            raise _Stopped

    def _tell(self, kind: str, message: str) -> None:
        self._around.tell(f"maintenance.{kind}", message, self._identity)
