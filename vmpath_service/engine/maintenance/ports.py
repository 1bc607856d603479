"""What maintenances need of the world beside the cloud, as Protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from vmpath_service.engine.ports import Within, just_made
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, Outlook
from vmpath_service.model.records import Rearrangement, Request


class Records(Protocol):
    """The database. Raises StoreError; Fenced where ``epoch`` is over."""

    def create(
        self,
        identity: str,
        document: Maintenance,
        *,
        beside: Collection[str] = (),
        check: Callable[[Sequence[Maintenance]], None] | None = None,
    ) -> Maintenance:
        """Keep a new one, unless ``check`` raises when it sees those in the states ``beside``: in one transaction."""

    def alone(self) -> AbstractContextManager[None]:
        """One transaction of all that the calling thread does in the block, in which nobody else is who asks for the
        same."""

    def together(self) -> AbstractContextManager[None]:
        """One transaction of all that the calling thread does in the block."""

    def get(self, identity: str, *, epoch: int | None = None) -> Maintenance:
        """Raises NotFound."""

    def list(
        self, *, states: Collection[str] = (), limit: int | None = None, marker: str | None = None
    ) -> Sequence[Maintenance]:
        """Newest first."""

    def claim(self, identity: str) -> int:
        """A new epoch, which fences every earlier one."""

    def change(
        self, identity: str, make: Callable[[Maintenance, int], Maintenance], *, epoch: int | None = None
    ) -> Maintenance:
        """Put in its place what ``make`` makes of it and of its next version."""

    def delete(self, identity: str, check: Callable[[Maintenance], None]) -> None:
        """Forget it, unless ``check`` raises."""


class Rearrangements(Protocol):
    """Who carries out rearrangements; every method raises VmpathError."""

    def create(self, request: Request, within: Within = just_made) -> Rearrangement:
        """Begin one, made by ``within``."""

    def show(self, identity: str) -> Rearrangement:
        """One as it stands."""

    def cancel(self, identity: str) -> Rearrangement:
        """Let nothing more of it start."""

    def delete(self, identity: str) -> None:
        """Forget one that has ended."""


class Rounds(Protocol):
    """Who finds out which hosts can be emptied together."""

    def look(self, record: Maintenance, cancelled: Callable[[], bool]) -> Outlook:
        """All rounds to come, as the cloud is now; raises VmpathError, PlanningFailed when it was cancelled."""

    def drain_options(self, request: MaintenanceRequest, left: Sequence[str]) -> dict[str, Any]:
        """What the policy that drains is told besides; ``left``: the hosts that are still to be emptied later."""


class Hooks(Protocol):
    """Programs of the operator's."""

    def names(self) -> Collection[str]:
        """Those that are configured."""

    def run(self, name: str, occasion: Mapping[str, Any]) -> None:
        """Run one and wait for its end; raises HookFailed."""
