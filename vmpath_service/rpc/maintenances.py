"""Orders about maintenances, at both ends of the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest
from vmpath_service.rpc import VERSION
from vmpath_service.rpc.client import call, connect
from vmpath_service.rpc.server import answer

NAMESPACE = "maintenances"


class Maintenances(Protocol):
    """Who takes the orders; every method raises VmpathError."""

    def create(self, request: MaintenanceRequest) -> Maintenance: ...
    def cancel(self, identity: str, known: int | None = None) -> Maintenance: ...
    def pause(self, identity: str, known: int | None = None) -> Maintenance: ...
    def proceed(self, identity: str, known: int | None = None) -> Maintenance: ...
    def complete(self, identity: str, known: int | None = None) -> Maintenance: ...
    def delete(self, identity: str, known: int | None = None) -> None: ...


class MaintenanceEndpoint:
    """What may be called; the arguments are plain data and are checked again here."""

    def __init__(self, keeper: Maintenances) -> None:
        import oslo_messaging

        self.target = oslo_messaging.Target(version=VERSION, namespace=NAMESPACE)
        self._keeper = keeper

    def create(self, context: Mapping[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        return answer(lambda: self._keeper.create(msgspec.convert(request, MaintenanceRequest)))

    def cancel(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.cancel(identity, known))

    def pause(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.pause(identity, known))

    def proceed(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.proceed(identity, known))

    def complete(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.complete(identity, known))

    def delete(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._keeper.delete(identity, known))


class MaintenanceClient:
    """Tells the keeper what to do. Every method raises what it raised, or EngineUnreachable."""

    def __init__(self, transport: Any, *, timeout: float) -> None:
        """``timeout``: in seconds, of a call."""
        self._client = connect(transport, timeout, NAMESPACE)

    def create(self, request: MaintenanceRequest) -> Maintenance:
        """Schedule one."""
        return _maintenance(call(self._client, "create", request=msgspec.to_builtins(request)))

    def cancel(self, identity: str, known: int | None = None) -> Maintenance:
        """End it."""
        return _maintenance(call(self._client, "cancel", identity=identity, known=known))

    def pause(self, identity: str, known: int | None = None) -> Maintenance:
        """Begin no further round for now."""
        return _maintenance(call(self._client, "pause", identity=identity, known=known))

    def proceed(self, identity: str, known: int | None = None) -> Maintenance:
        """Undo ``pause``."""
        return _maintenance(call(self._client, "proceed", identity=identity, known=known))

    def complete(self, identity: str, known: int | None = None) -> Maintenance:
        """Say that the work on its hosts is done."""
        return _maintenance(call(self._client, "complete", identity=identity, known=known))

    def delete(self, identity: str, known: int | None = None) -> None:
        """Forget one that has ended."""
        call(self._client, "delete", identity=identity, known=known)


def _maintenance(found: Any) -> Maintenance:
    return msgspec.convert(found, Maintenance)
