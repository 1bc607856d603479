"""Work on hosts that are empty: by hooks, or by people who say that it is done."""

from __future__ import annotations

from vmpath_service.engine.maintenance.ending import Ending
from vmpath_service.model.errors import HookFailed
from vmpath_service.model.maintenances import POWER_OFF, POWER_ON, Maintenance, MaintenanceState


class Working(Ending):
    """Has the work of the round under way done, and waits for its end."""

    _worked = 0
    """The round whose hook has done its work, as far as this process knows: the database may not have heard of it."""

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
        self._change(record, hook_begun=True)
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
        self._change(record)
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
