"""What the engine needs of the world, as Protocols: ``cloud`` and ``store`` fulfil them without knowing it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from vmpath_service.model.plan import Plan
from vmpath_service.model.readings import HostReading, InstanceReading, MigrationReading
from vmpath_service.model.records import (
    Event,
    Freeze,
    HostAction,
    HostTrouble,
    Migration,
    Rearrangement,
    RearrangementState,
    Request,
)
from vmpath_service.model.snapshot import Snapshot


class Cloud(Protocol):
    """The live cloud. Every call has a time-out and raises CloudUnreachable, CloudDenied or NoDecision.

    What reads, and what asks for an action, raises CloudBusy when Nova or Placement wants fewer requests (429, 503
    that was surely not carried out): every rearrangement of the engine then slows down.

    What asks for an action asks once, never forced, never repeated, and returns when Nova has said 202 ("asked", no
    more). It raises RequestRefused if Nova surely did nothing, AnswerLost if that is not known.
    """

    def read(self) -> Snapshot:
        """The whole cloud; raises NoDecision rather than returning a partial picture."""

    def read_hosts(self, names: Collection[str]) -> Mapping[str, HostReading]:
        """These hosts as they are now, in few requests however many they are; a host that Nova does not have is
        missing in the answer."""

    def expect(self, instances: int) -> None:
        """Of so many instances the calling thread will ask, some at a time: what it takes to read each is weighed
        against listing all. Asks nothing itself."""

    def read_instances(self, uuids: Collection[str], *, within: float = 0.0) -> Mapping[str, InstanceReading]:
        """These instances as they are now, or were at most ``within`` seconds ago; one that is missing in the answer
        does not exist any more."""

    def read_migrations(self, instances: Collection[str]) -> Mapping[str, Sequence[MigrationReading]]:
        """All migration records of these instances, oldest first, with progress for those under way."""

    def live_migrate(self, instance: str, dest: str) -> None:
        """Ask for a live migration to a named host, by the scheduler's leave."""

    def abort(self, instance: str, migration: int) -> None:
        """Ask for the end of a live migration that is queued or running, its Nova id being ``migration``.

        Refused when it has ended (409), or is queued and Nova too old (400).
        """

    def force_complete(self, instance: str, migration: int) -> None:
        """Ask for the end of a running live migration by all means: by post-copy where nova.conf permits it, else by
        pausing the guest. Refused when it has ended (409) or does not run yet (400)."""

    def cold_migrate(self, instance: str, dest: str) -> None:
        """Ask for a cold migration of a stopped instance to a named host; it ends as VERIFY_RESIZE."""

    def confirm_resize(self, instance: str) -> None:
        """Ask to keep what is VERIFY_RESIZE where it is now. Refused when it is not VERIFY_RESIZE (409)."""

    def revert_resize(self, instance: str) -> None:
        """Ask to bring what is VERIFY_RESIZE back to where it was. Refused when it is not VERIFY_RESIZE (409)."""

    def reset_state(self, instance: str) -> None:
        """Ask to call an instance active that Nova calls ERROR; nothing happens to the guest."""

    def evacuate(self, instance: str) -> None:
        """Ask to rebuild an instance of a dead host on another, which the scheduler chooses."""

    def read_allocations(self, instances: Collection[str]) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """What each instance itself holds in Placement: host, resource class, amount. One that holds nothing has no
        hosts; what its migrations hold is not among it."""

    def disable_host(self, name: str, reason: str) -> None:
        """Let the host's compute service take nothing in any more."""

    def enable_host(self, name: str) -> None:
        """Undo ``disable_host``."""

    def disabled_reason(self, name: str) -> str | None:
        """Why the host is disabled: None if it is enabled, an empty text if no reason was given."""


Within = Callable[[Callable[[], Rearrangement]], Rearrangement]
"""Makes a rearrangement by calling what it is given, beside whatever else it writes to the database: both are there
in the end, or neither, and then nothing has begun. It is called in the midst of a transaction, in which it has the
first word, and calls nobody but the database."""


def just_made(make: Callable[[], Rearrangement]) -> Rearrangement:
    """Nothing beside it."""
    return make()


class Store(Protocol):
    """The database. Raises StoreError; Fenced if ``epoch`` is no longer the rearrangement's; Outdated if ``known`` is
    not its version when it is changed (None: any will do)."""

    def create(self, request: Request) -> Rearrangement:
        """A new rearrangement in state planning, without an owner."""

    def get(self, identity: str) -> Rearrangement:
        """Raises NotFound."""

    def list(
        self, *, states: Collection[RearrangementState] = (), limit: int | None = None, marker: str | None = None
    ) -> Sequence[Rearrangement]:
        """Newest first; raises NotFound for an unknown marker."""

    def claim(self, identity: str, owner: str, *, known: int | None = None) -> int:
        """Make ``owner`` the owner and return the new epoch, which fences every earlier owner."""

    def change(
        self,
        identity: str,
        epoch: int,
        *,
        expected: Collection[RearrangementState] = (),
        known: int | None = None,
        **values: Any,
    ) -> Rearrangement:
        """Set fields of a rearrangement; raises Conflict if its state is not one of ``expected``."""

    def request_cancel(self, identity: str, *, abort: bool = False, known: int | None = None) -> Rearrangement:
        """Ask the owner to cancel, and to abort what is in flight; needs no epoch. Raises Conflict if it has ended."""

    def request_rollback(
        self,
        identity: str,
        *,
        expected: Collection[RearrangementState],
        abort: bool = False,
        known: int | None = None,
    ) -> Rearrangement:
        """Ask the owner to move everything back, and to abort what is in flight; needs no epoch. Takes a cancel back.

        Raises Conflict if the state is not one of ``expected``.
        """

    def delete(self, identity: str, *, known: int | None = None) -> None:
        """Forget a rearrangement that has ended; raises Conflict otherwise."""

    def save_plan(self, identity: str, epoch: int, plan: Plan, migrations: Sequence[Migration]) -> None:
        """Keep the plan and its migrations (all pending), in one transaction with nothing half done."""

    def extend_plan(
        self, identity: str, epoch: int, plan: Plan, added: Sequence[Migration], changed: Sequence[Migration]
    ) -> None:
        """Replace the plan by one that has more steps, in one transaction: ``added`` are new ones, all pending,
        ``changed`` are those that the new ones replace.

        Raises Conflict, with nothing changed, if one of ``added`` is there already, or one of ``changed`` is at
        another attempt than the database knows of.
        """

    def plan(self, identity: str) -> Plan:
        """Raises NotFound while there is none."""

    def host_actions(self, identity: str) -> Sequence[HostAction]:
        """The host steps of its plan, in their order."""

    def record_host_action(self, epoch: int, action: HostAction) -> None:
        """Write down how a host step stands now."""

    def troubles(self) -> Mapping[str, HostTrouble]:
        """The hosts whose last migration failed."""

    def blame(self, host: str, reason: str) -> HostTrouble:
        """Count one more failure of a host; returns how it stands now."""

    def absolve(self, host: str) -> bool:
        """Forget the failures of a host; whether there were any."""

    def moved_since(self, moment: float, *, but: str) -> Mapping[str, float]:
        """Instances that other rearrangements than ``but`` have moved since ``moment``, and when the last time."""

    def migrations(self, identity: str) -> Sequence[Migration]:
        """In the order of their steps."""

    def intend(self, epoch: int, migration: Migration) -> None:
        """Journal the intention to send a request, durably, before it is sent.

        ``migration.attempt`` must be new for its step (raises Conflict if it is not): no migration is
        knowingly started twice.
        """

    def record(self, epoch: int, migration: Migration) -> None:
        """Write down how a migration stands now."""

    def unresolved(self, but: str | None = None) -> Sequence[Migration]:
        """Migrations of any rearrangement, except for ``but``, that are requested, running or being verified: they
        may still move their instance."""

    def add_event(
        self,
        kind: str,
        message: str,
        *,
        subject: str | None = None,
        step: int | None = None,
        host: str | None = None,
    ) -> Event:
        """Append an event."""

    def events(self, subject: str | None = None, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events with a sequence above ``after``, in order."""

    def at_once(self) -> AbstractContextManager[None]:
        """All that the calling thread reads in the block is read in one transaction; it writes nothing there."""

    def together(self) -> AbstractContextManager[None]:
        """All that the calling thread does in the block is durable when the block is left, or none of it is."""

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call this when what the calling thread has written is durable."""

    def beat(self, owner: str) -> Mapping[str, int]:
        """Give a sign of life of an engine; how many every engine has given so far, this one included."""

    def resign(self, owner: str) -> None:
        """Let an engine be known for dead from now on."""

    def freeze(self, reason: str, by: str) -> Freeze:
        """From now on nothing new starts; a second freeze keeps the first."""

    def thaw(self) -> None:
        """Lift the freeze."""

    def frozen(self) -> Freeze | None:
        """The freeze in force, if any."""


class Clock(Protocol):
    """Time for the engine, so that tests and rehearsals can run it faster."""

    def time(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or earlier when the engine is asked to stop."""

    def wake(self) -> None:
        """The engine is asked to stop: every wait, under way or yet to come, returns at once."""

    def alarm(self) -> Alarm:
        """For waits that something else than time may end."""


class Alarm(Protocol):
    """Ends the waits of one thread early. Of a clock."""

    def ring(self) -> None:
        """End the wait under way, or else the next one. From any thread."""

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or when it rings or has rung, or when the clock is woken."""


class Happenings(Protocol):
    """Hints that something happened to instances. They only hurry a look at the cloud: none may come at all."""

    def watch(self, instances: Collection[str], hurry: Callable[[], None]) -> Callable[[], None]:
        """Have ``hurry`` called, from any thread, whenever something happens to one of these; what is returned ends
        that."""
