"""Host steps of a plan, carried out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from vmpath_service.engine.hosts import HostSwitch
from vmpath_service.model.records import HostAction

OURS = "vmpath: "
"""How the reason begins with which vmpath disables a host, in whatever service."""


class HostSteps:
    """Enables and disables hosts as a plan says; enables only what vmpath has disabled.

    ``disabled`` tells which hosts are disabled for the rearrangement, as the database has it; ``keep`` writes down how
    a step stands, before the host is touched.
    """

    def __init__(
        self, switch: HostSwitch, disabled: Callable[[], tuple[str, ...]], keep: Callable[[HostAction], None]
    ) -> None:
        self._switch = switch
        self._disabled = disabled
        self._keep = keep

    def act(self, action: HostAction) -> HostAction:
        """Carry a step out, and say what became of it; raises CloudError."""
        if action.action == "disable":
            return self._disable(action)
        if action.action == "enable":
            return self._enable(action)
        return _ended(action, "failed", "there is no power driver")

    def undo(self, action: HostAction) -> None:
        """Disable again what was enabled; what was disabled is undone by whoever keeps the list of that."""
        if action.action == "enable" and action.state == "done" and action.before:
            self._switch.disable_as(action.host, action.before)

    def _disable(self, action: HostAction) -> HostAction:
        before = self._switch.reason_now(action.host)
        if before is not None:
            return _ended(action, "done", f"it was disabled already: {before}")
        self._switch.disable((action.host,), self._disabled())
        return _ended(action, "done", None)

    def _enable(self, action: HostAction) -> HostAction:
        before = self._switch.reason_now(action.host)
        if before is None:
            return _ended(action, "done", None if action.before else "it was enabled already")
        if not before.startswith(OURS):
            return _ended(action, "failed", f"it was not vmpath that disabled it: {before or 'no reason given'}")
        action = msgspec.structs.replace(action, before=before)
        self._keep(action)
        self._switch.enable_one(action.host)
        return _ended(action, "done", None)


def _ended(action: HostAction, state: str, reason: str | None) -> HostAction:
    return msgspec.structs.replace(action, state=state, reason=reason)
