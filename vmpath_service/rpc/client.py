"""The API's end of the calls."""

from __future__ import annotations

from typing import Any

import msgspec

from vmpath_service.model.errors import EngineUnreachable
from vmpath_service.model.records import Freeze, Rearrangement, Request
from vmpath_service.rpc import TOPIC, VERSION, envelope


class EngineClient:
    """Tells an engine what to do. Every method raises what the engine raised, or EngineUnreachable."""

    def __init__(self, transport: Any, *, timeout: float, reading_timeout: float) -> None:
        """``timeout`` in seconds of a command; ``reading_timeout`` of what reads the whole cloud first."""
        self._client = connect(transport, timeout)
        self._reading = self._client.prepare(timeout=reading_timeout)

    def policies(self) -> list[dict[str, Any]]:
        """The policies that may be asked for."""
        return call(self._client, "policies")  # type: ignore[no-any-return]

    def hosts(self) -> list[dict[str, Any]]:
        """The hosts as they are now."""
        return call(self._reading, "hosts")  # type: ignore[no-any-return]

    def instances(self) -> list[dict[str, Any]]:
        """The instances as they are now."""
        return call(self._reading, "instances")  # type: ignore[no-any-return]

    def create(self, request: Request) -> Rearrangement:
        """Ask for a rearrangement; it is planned in the background."""
        return _rearrangement(call(self._client, "create", request=msgspec.to_builtins(request)))

    def approve(self, identity: str, known: int | None = None) -> Rearrangement:
        """Let a plan be carried out."""
        return _rearrangement(call(self._client, "approve", identity=identity, known=known))

    def pause(self, identity: str, known: int | None = None) -> Rearrangement:
        """Start nothing more of it for now."""
        return _rearrangement(call(self._client, "pause", identity=identity, known=known))

    def proceed(self, identity: str, known: int | None = None) -> Rearrangement:
        """Undo ``pause``."""
        return _rearrangement(call(self._client, "proceed", identity=identity, known=known))

    def rollback(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement:
        """Move back what was moved."""
        return _rearrangement(call(self._client, "rollback", identity=identity, known=known, abort=abort))

    def release(self, host: str) -> bool:
        """Free a host from quarantine; whether it was in it."""
        return bool(call(self._client, "release", host=host))

    def cancel(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement:
        """Start nothing more of it."""
        return _rearrangement(call(self._client, "cancel", identity=identity, known=known, abort=abort))

    def delete(self, identity: str, known: int | None = None) -> None:
        """Forget one that has ended."""
        call(self._client, "delete", identity=identity, known=known)

    def freeze(self, reason: str, by: str) -> Freeze:
        """Let nothing new start anywhere."""
        return msgspec.convert(call(self._client, "freeze", reason=reason, by=by), Freeze)

    def thaw(self) -> None:
        """Lift the freeze."""
        call(self._client, "thaw")


def connect(transport: Any, timeout: float, namespace: str | None = None) -> Any:
    """A client of the endpoint with this namespace."""
    import oslo_messaging

    target = oslo_messaging.Target(topic=TOPIC, version=VERSION, namespace=namespace)
    return oslo_messaging.get_rpc_client(transport, target, timeout=timeout)


def call(client: Any, method: str, **arguments: Any) -> Any:
    """What the engine answers; raises what it raised, or EngineUnreachable."""
    import oslo_messaging

    try:
        answer = client.call({}, method, **arguments)
    except oslo_messaging.MessagingTimeout as error:
        raise EngineUnreachable(f"the engine did not answer to {method!r} in time") from error
    except oslo_messaging.MessagingException as error:
        raise EngineUnreachable(f"the engine cannot be reached: {error}") from error
    return envelope.unpack(answer)


def _rearrangement(answer: Any) -> Rearrangement:
    return msgspec.convert(answer, Rearrangement)
