"""What may happen to a walk: the engine dies at some call, people and other programs act on the cloud."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from tests.modelled.cloud import Fate, ModelCloud, Server
from tests.modelled.walking import World

READS = frozenset(("get", "frozen", "unresolved", "plan", "migrations", "read_hosts", "read_instances"))


class Killed(BaseException):
    """The process is gone; nobody gets to handle it."""


class Mortal:
    """A port whose user dies at the ``at``-th call that is not a mere reading, before or after it took effect."""

    def __init__(self, port: Any, deaths: Deaths, but: Collection[str] = READS) -> None:
        self._port = port
        self._deaths = deaths
        self._but = but

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name in self._but or name.startswith("_") or not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            before, after = self._deaths.next()
            if before:
                raise Killed
            answer = found(*arguments, **named)
            if after:
                raise Killed
            return answer

        return call


class Interrupted:
    """A port whose user stands still at a call, for as long as ``meanwhile`` takes: its process hangs, and the world
    goes on. ``at`` counts the calls over all ports; odd ones stand still after the call has taken effect."""

    def __init__(self, port: Any, deaths: Deaths, meanwhile: Callable[[], None]) -> None:
        self._port = port
        self._deaths = deaths
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name.startswith("_") or not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            before, after = self._deaths.next()
            if before:
                self._meanwhile()
            answer = found(*arguments, **named)
            if after:
                self._meanwhile()
            return answer

        return call


class Deaths:
    """``at``: at which of the calls, counted over all ports and all lives, the process dies; odd ones after the
    call has taken effect."""

    def __init__(self, at: Collection[int]) -> None:
        self._at = frozenset(at)
        self.calls = 0

    def next(self) -> tuple[bool, bool]:
        """Whether to die before and whether to die after this call."""
        self.calls += 2
        return self.calls - 2 in self._at, self.calls - 1 in self._at


def live_and_die(world: World, deaths: Deaths, limit: float = 50_000.0) -> Any:
    """Walk to the end, with a new life after each death; returns the ``Finish``."""
    cloud, store = world.cloud, world.store
    world.cloud, world.store = Mortal(cloud, deaths), Mortal(store, deaths, {*READS, "claim"})
    try:
        while True:
            try:
                return world.run(limit)
            except Killed:
                world.clock.wait(1.0)
    finally:
        world.cloud, world.store = cloud, store


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that others do at ``at``: ``touched`` afterwards says to which instances."""

    at: float
    kind: str
    name: str
    other: str = ""
    amount: int = 1
    lasts: float = 30.0

    def apply(self, cloud: ModelCloud, touched: set[str]) -> None:
        """Do it, as far as the cloud lets it be done now."""
        server, host = cloud.servers.get(self.name), cloud.hosts.get(self.name)
        match self.kind:
            case "boot" if host and host.enabled:
                room = cloud.free(self.name)["MEMORY_MB"] - cloud.promised(self.name)["MEMORY_MB"]
                if room >= self.amount:
                    uuid = f"stranger-{self.at}-{self.name}"
                    cloud.servers[uuid] = Server(self.name, {"MEMORY_MB": self.amount}, ours=False)
                    cloud.later(self.lasts, lambda: cloud.servers.pop(uuid, None))
            case "disable" if host and host.enabled:
                host.enabled, host.reason = False, "an operator's"

                def enable() -> None:
                    host.enabled, host.reason = True, None

                cloud.later(self.lasts, enable)
            case "delete" if server and server.task_state is None:
                touched.add(self.name)
                del cloud.servers[self.name]
            case "stop" if server and server.task_state is None and server.status == "ACTIVE":
                touched.add(self.name)
                server.status = "SHUTOFF"
            case "start" if server and server.task_state is None and server.status == "SHUTOFF":
                touched.add(self.name)
                server.status = "ACTIVE"
            case "busy" if server and server.task_state is None:
                touched.add(self.name)
                server.task_state = "image_uploading"

                def idle() -> None:
                    if server.task_state == "image_uploading":
                        server.task_state = None

                cloud.later(self.lasts, idle)
            case "move" if (
                server and server.task_state is None and server.status == "ACTIVE" and server.host != self.other
            ):
                room = cloud.free(self.other)["MEMORY_MB"] - cloud.promised(self.other)["MEMORY_MB"]
                if room >= server.resources["MEMORY_MB"] and cloud.hosts[self.other].enabled:
                    touched.add(self.name)
                    cloud._begin(self.name, self.other, Fate())
