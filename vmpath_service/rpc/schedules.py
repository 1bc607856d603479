"""Orders about schedules, at both ends of the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from vmpath_service.model.schedules import Schedule, ScheduleRequest
from vmpath_service.rpc import VERSION
from vmpath_service.rpc.client import call, connect
from vmpath_service.rpc.server import answer

NAMESPACE = "schedules"


class Schedules(Protocol):
    """Who takes the orders; every method raises VmpathError."""

    def create(self, request: ScheduleRequest) -> Schedule: ...
    def enable(self, name: str, known: int | None = None) -> Schedule: ...
    def disable(self, name: str, known: int | None = None) -> Schedule: ...
    def delete(self, name: str, known: int | None = None) -> None: ...


class ScheduleEndpoint:
    """What may be called; the arguments are plain data and are checked again here."""

    def __init__(self, keeper: Schedules) -> None:
        import oslo_messaging

        self.target = oslo_messaging.Target(version=VERSION, namespace=NAMESPACE)
        self._keeper = keeper

    def create(self, context: Mapping[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        return answer(lambda: self._keeper.create(msgspec.convert(request, ScheduleRequest)))

    def enable(self, context: Mapping[str, Any], name: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.enable(name, known))

    def disable(self, context: Mapping[str, Any], name: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.disable(name, known))

    def delete(self, context: Mapping[str, Any], name: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.delete(name, known))


class ScheduleClient:
    """Tells the keeper what to do. Every method raises what it raised, or EngineUnreachable."""

    def __init__(self, transport: Any, *, timeout: float) -> None:
        """``timeout``: in seconds, of a call."""
        self._client = connect(transport, timeout, NAMESPACE)

    def create(self, request: ScheduleRequest) -> Schedule:
        """Keep a new one."""
        return _schedule(call(self._client, "create", request=msgspec.to_builtins(request)))

    def enable(self, name: str, known: int | None = None) -> Schedule:
        """Let it run."""
        return _schedule(call(self._client, "enable", name=name, known=known))

    def disable(self, name: str, known: int | None = None) -> Schedule:
        """Let it run no more for now."""
        return _schedule(call(self._client, "disable", name=name, known=known))

    def delete(self, name: str, known: int | None = None) -> None:
        """Forget it."""
        call(self._client, "delete", name=name, known=known)


def _schedule(found: Any) -> Schedule:
    return msgspec.convert(found, Schedule)
