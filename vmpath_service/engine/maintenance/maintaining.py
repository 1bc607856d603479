"""The life of one maintenance, carried on from whatever state it is in. Run in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oslo_log import log as logging

from vmpath_service.engine.maintenance.attending import Attending, Stopped
from vmpath_service.engine.maintenance.emptiness import remainders
from vmpath_service.model.errors import (
    CloudError,
    Conflict,
    HookFailed,
    InvalidInput,
    NotFound,
    PlanningFailed,
    VmpathError,
)
from vmpath_service.model.maintenances import (
    GOING,
    POWER_OFF,
    POWER_ON,
    Maintenance,
    MaintenanceState,
    Outlook,
    Round,
    next_identity,
    scheduled,
    scheduled_in_words,
)
from vmpath_service.model.placement import Placement
from vmpath_service.model.records import Rearrangement, RearrangementState, Request
from vmpath_service.model.schedules import Times

LOG = logging.getLogger(__name__)

LOOKS_AHEAD = (3600.0, 600.0)
"""Seconds before the start at which it is found out again whether it fits."""
DRAINS = 3
"""How often the hosts of a round are drained at most: instances may have landed while the first one went on."""
AGAIN = 15.0
"""Seconds until it is tried again to find out which hosts a round may have, where the cloud does not tell."""
TAKEN_UP = 120.0
"""Seconds that Placement is given to learn that a host is enabled again."""
_LATE = 60.0
RESTORING = "target"
"""The policy that brings instances back to where they were."""


class Maintaining(Attending):
    """Carries one maintenance as far as it goes without a person."""

    _worked = 0
    """The round whose hook has done its work, as far as this process knows: the database may not have heard of it."""

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
            self._look_for_lost_hook(self._record())
            while not (record := self._record()).ended():
                phases[record.state](record)
        except NotFound:
            LOG.info("Maintenance %s: deleted", self._identity)
        except Stopped:
            LOG.info("Maintenance %s: left as it is until the engine starts again", self._identity)

    def _look_for_lost_hook(self, record: Maintenance) -> None:
        """A hook that was running when the engine ended is not run again: nobody knows how far it came."""
        done = set(record.hosts_now()) <= set(record.completed)
        known = record.hook_lost or record.hook_done or done or self._worked == len(record.rounds)
        if record.state is MaintenanceState.READY and record.hook_begun and not known:
            self._change(hook_lost=True)
            name = record.request.hook_name()
            self._tell(
                "hook_lost",
                f"vmpath ended while hook {name} was running, and nobody knows how far it came: look, then vmpath "
                f"maintenance complete {self._identity}, or cancel",
            )

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
        # whoever lets a paused one go on wants it now
        late = now - max(record.start, record.phase_since)
        if late > self._around.settings.late_seconds:
            why = f": {record.warning}" if record.warning else ""
            self._end(record, MaintenanceState.FAILED, f"it could not begin within {late:.0f} s of its time{why}")
            return
        if (other := self._holder(record)) is not None:
            self._wait_for(record, other)
            return
        if late > _LATE and not record.late:
            record = self._change(late=True)
            self._tell("late", f"it begins {late:.0f} s late")
        self._begin_round(record)

    def _holder(self, record: Maintenance) -> Maintenance | None:
        """A maintenance that is at work on one of its hosts, and takes longer than was expected."""
        hosts = set(record.request.hosts)
        working = [state.value for state in GOING if state is not MaintenanceState.SCHEDULED]
        others = self._stored(lambda: self._around.records.list(states=working))
        return next((each for each in others if each.id != record.id and hosts & set(each.request.hosts)), None)

    def _wait_for(self, record: Maintenance, other: Maintenance) -> None:
        both = ", ".join(host for host in record.request.hosts if host in other.request.hosts)
        why = f"{both}: maintenance {other.id}, which is {other.state.value}, is not over yet"
        if record.warning != why:
            self._change(warning=why)
            self._tell("waiting", f"it begins when the one before it is over: {why}")
        self._wait()

    def _look_ahead(self, record: Maintenance, now: float) -> None:
        """Find out what it is going to take and whether it still fits, and say at once if not."""
        outlook: Outlook | None = None
        short: str | None
        try:
            outlook = self._look(record)
            short = outlook.short
            self._tell("outlook", outlook.in_words())
        except VmpathError as error:
            short = str(error)
        self._change(checked=now, warning=short, outlook=outlook)
        if short is not None:
            known = "it does not fit as things are" if outlook else "whether it fits cannot be found out"
            self._tell("short", f"{known}: {short}")
        if record.request.dry_run:
            said = f"dry run: {outlook.in_words()}; nothing was moved" if outlook and not short else None
            self._end(self._record(), MaintenanceState.DONE, said or short)

    def _begin_round(self, record: Maintenance) -> None:
        try:
            self._choose_round(record)
        except (CloudError, PlanningFailed) as error:
            # what is not known is no reason to give up: nothing is held meanwhile
            if not self._record().cancel_requested:
                self._put_off(record, str(error))
        except InvalidInput as error:
            self._fail(record, f"it cannot go on: {error}")

    def _choose_round(self, record: Maintenance) -> None:
        with self._around.turn:
            if not record.rounds and self._holder(record) is not None:
                return  # it has begun at this very moment
            outlook = self._look(record)
            if not outlook.rounds or (outlook.short is not None and not record.request.rolling):
                self._fail(record, f"it does not fit: {outlook.short}")
                return
            hosts = outlook.rounds[0].hosts
            rounds = (*record.rounds, Round(hosts))
            former = record.former
            if record.request.afterwards == "restore":
                here = {each.uuid: each.host for each in self._read().instances if each.host in hosts}
                # who was moved here by an earlier round was somewhere else before
                former = {uuid: host for uuid, host in here.items() if host is not None} | former
            first = record.outlook is None or not record.rounds
            self._change(
                former=former,
                rounds=rounds,
                state=MaintenanceState.DRAINING,
                phase_since=self._around.clock.time(),
                drains=0,
                rearrangement=None,
                hook_begun=False,
                hook_done=False,
                hook_lost=False,
                overdue=False,
                warning=outlook.short,
                outlook=outlook if first else record.outlook,
            )
        if first:
            self._tell("outlook", outlook.in_words())
        which = f"round {len(rounds)} of {len(record.rounds) + len(outlook.rounds)}"
        self._tell("draining", f"draining {', '.join(hosts)}" + (f" ({which})" if record.request.rolling else ""))

    def _put_off(self, record: Maintenance, why: str) -> None:
        if record.warning != why:
            self._change(warning=why)
            self._tell("put_off", f"which hosts can be emptied now cannot be found out yet: {why}")
        self._around.clock.wait(AGAIN)

    def _look(self, record: Maintenance) -> Outlook:
        return self._around.rounds.look(
            record, lambda: self._around.stopping() or self._record().cancel_requested
        )

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
        snapshot = self._read()
        left = remainders(snapshot, record.hosts_now())
        said = "; ".join(each.in_words() for each in left)
        not_empty = {each.host for each in left}
        died = [host.name for host in snapshot.hosts if host.name in not_empty and host.state != "up"]
        if died:
            # what comes back by itself after that must not be given instances at once
            why = f"{', '.join(died)} went down while it was emptied: {said} (vmpath rebuild-from)"
            self._fail(record, why, keep=died)
            return
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
        done = set(hosts) <= set(record.completed)
        off = request.action == POWER_OFF and record.hook_begun
        if off and (record.cancel_requested or done) and not self._power_on(record):
            return
        if record.cancel_requested:
            self._put_back_and_end(record, MaintenanceState.CANCELLED, "cancelled while its hosts were empty")
            return
        if done:
            self._return(record)
            return
        if request.hook_name() is not None and not record.hook_begun:
            self._run_hook(record)
            return
        if self._worked == len(record.rounds) and not record.hook_done:
            self._end_hook(record)
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
        hosts, name = record.hosts_now(), str(record.request.hook_name())
        self._change(hook_begun=True)
        self._tell("hook", f"hook {name} begun for {', '.join(hosts)}")
        if self._hook_worked(record, name, "maintenance.ready"):
            self._worked = len(record.rounds)
            self._end_hook(self._record())

    def _end_hook(self, record: Maintenance) -> None:
        hosts, name = record.hosts_now(), record.request.hook_name()
        if record.request.action == POWER_OFF:
            self._change(hook_done=True)
            complete = f"vmpath maintenance complete {self._identity} when the work is done"
            self._tell("powered_off", f"{', '.join(hosts)}: powered off ({complete})")
            return
        self._tell("hook_done", f"hook {name} done")
        self._return(self._record())

    def _power_on(self, record: Maintenance) -> bool:
        """Run the hook for that, where there is one; else somebody does it. False if it ended with that."""
        if POWER_ON not in self._around.hooks.names():
            return True
        self._tell("hook", f"hook {POWER_ON} begun for {', '.join(record.hosts_now())}")
        return self._hook_worked(record, POWER_ON, "maintenance.completed")

    def _hook_worked(self, record: Maintenance, name: str, event: str) -> bool:
        """Run a hook for the hosts of the round; fails the maintenance where it fails."""
        hosts = record.hosts_now()
        occasion = {
            "event": event,
            "maintenance": self._identity,
            "hosts": list(hosts),
            "reason": record.request.reason,
            "round": len(record.rounds),
        }
        try:
            self._around.hooks.run(name, occasion)
        except HookFailed as error:
            self._fail(self._record(), f"hook {name} failed: {error}", keep=hosts)
            return False
        return True

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
                self._fail(record, f"{', '.join(down)}: not up after {settings.return_seconds:g} s", keep=hosts)
                return False
            if self._record().cancel_requested:
                self._put_back_and_end(self._record(), MaintenanceState.CANCELLED, "cancelled while coming back")
                return False
            self._wait()

    def _enable(self, record: Maintenance, hosts: Sequence[str]) -> None:
        ours = tuple(host for host in record.disabled if host in hosts)
        switch = self._switch(beside=tuple(host for host in record.disabled if host not in hosts))
        left = switch.enable(ours)
        if left:
            self._fail(self._record(), f"{', '.join(left)} could not be enabled again", keep=left)
            return
        theirs = [host for host in hosts if switch.reason_now(host) is not None]
        self._until_they_receive([host for host in ours if host not in theirs])
        rounds = (*record.rounds[:-1], Round(tuple(hosts), done=True))
        self._change(rounds=rounds, phase_since=self._around.clock.time())
        self._tell("returned", f"{', '.join(hosts)}: up and back in service")
        if theirs:
            self._tell("not_ours", f"{', '.join(theirs)}: somebody else disabled them, and they stay so")

    def _until_they_receive(self, hosts: Sequence[str]) -> None:
        """Placement learns later than Nova that a host is enabled: before that nothing is scheduled there, and what
        follows would be decided without it."""
        clock = self._around.clock
        deadline = clock.time() + TAKEN_UP
        while True:
            try:
                receiving = {host.name for host in self._read().hosts if host.receives()}
            except CloudError as error:
                LOG.warning("Maintenance %s: the hosts cannot be looked at: %s", self._identity, error)
                receiving = set()
            late = [host for host in hosts if host not in receiving]
            if not late or self._record().cancel_requested:
                return
            if clock.time() > deadline:
                LOG.warning("Maintenance %s: enabled, yet Placement does not say so: %s", self._identity, late)
                return
            self._wait()

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
        return Request(policy=RESTORING, options=options, approve=True)

    # ends

    def _fail(self, record: Maintenance, why: str, *, keep: Sequence[str] = ()) -> None:
        """``keep``: hosts on which something went wrong that was begun, so that they stay out of service; the others
        are enabled."""
        kept = tuple(host for host in record.disabled if host in keep)
        if not kept:
            self._put_back_and_end(record, MaintenanceState.FAILED, why)
            return
        others = tuple(host for host in record.disabled if host not in keep)
        left = self._switch(beside=kept).enable(others) if others else ()
        self._change(kept=kept)
        message = f"{why}; {', '.join(kept)} stay disabled until somebody has looked at them"
        message += f"; {', '.join(left)} could not be enabled again" if left else ""
        self._end(record, MaintenanceState.FAILED, message)

    def _put_back_and_end(self, record: Maintenance, state: MaintenanceState, why: str) -> None:
        left = self._switch().enable(record.disabled) if record.disabled else ()
        if left and self._around.stopping():
            raise Stopped
        self._end(record, state, f"{why}; {', '.join(left)} could not be enabled again" if left else why)

    def _end(self, record: Maintenance, state: MaintenanceState, why: str | None) -> None:
        successor = None if state is MaintenanceState.CANCELLED else self._repeated()
        self._change(state=state, explanation=why, rearrangement=None, successor=successor)
        self._tell(state.value, f"maintenance {state.value}" + (f": {why}" if why else ""))

    def _repeated(self) -> str | None:
        """The next one of a series, scheduled; None where this is the last one: nobody has looked yet at hosts that
        were kept."""
        record = self._record()
        request = record.request
        if request.recurrence is None or request.dry_run or record.kept:
            return None
        now = self._around.clock.time()
        start = Times(request.recurrence, request.time_zone).following(max(now, record.start))
        # the same name after a crash in between, so that there is one
        made = scheduled(next_identity(self._identity), request, start, now)
        try:
            self._stored(lambda: self._around.records.create(made.id, made))
        except Conflict:
            return made.id
        self._around.tell("maintenance.scheduled", scheduled_in_words(made), made.id)
        return made.id

    def _request(self, record: Maintenance, hosts: Sequence[str]) -> Request:
        wanted = record.request
        options = {**wanted.options, **self._around.rounds.drain_options(wanted, record.hosts_left())}
        return Request(policy=wanted.policy, options=options, hosts=tuple(hosts), approve=True)
