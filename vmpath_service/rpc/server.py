"""The engine's end of the calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from vmpath_service.model.errors import VmpathError
from vmpath_service.model.records import Freeze, Rearrangement, Request
from vmpath_service.rpc import TOPIC, VERSION, envelope

LOG = logging.getLogger(__name__)


class Commands(Protocol):
    """What the engine does when it is told to; every method raises VmpathError."""

    def policies(self) -> Any: ...
    def hosts(self) -> Any: ...
    def instances(self) -> Any: ...
    def create(self, request: Request) -> Rearrangement: ...
    def approve(self, identity: str, known: int | None = None) -> Rearrangement: ...
    def pause(self, identity: str, known: int | None = None) -> Rearrangement: ...
    def proceed(self, identity: str, known: int | None = None) -> Rearrangement: ...
    def cancel(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement: ...
    def rollback(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement: ...
    def release(self, host: str) -> bool: ...
    def delete(self, identity: str, known: int | None = None) -> None: ...
    def freeze(self, reason: str, by: str) -> Freeze: ...
    def thaw(self) -> None: ...


class _Endpoint:
    """What may be called; the arguments are plain data and are checked again here."""

    def __init__(self, engine: Commands) -> None:
        import oslo_messaging

        self.target = oslo_messaging.Target(version=VERSION)
        self._engine = engine

    def policies(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return answer(self._engine.policies)

    def hosts(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return answer(self._engine.hosts)

    def instances(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return answer(self._engine.instances)

    def create(self, context: Mapping[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        return answer(lambda: self._engine.create(msgspec.convert(request, Request)))

    def approve(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._engine.approve(identity, known))

    def pause(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._engine.pause(identity, known))

    def proceed(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._engine.proceed(identity, known))

    def cancel(
        self, context: Mapping[str, Any], identity: str, known: int | None = None, abort: bool = False
    ) -> dict[str, Any]:
        return answer(lambda: self._engine.cancel(identity, known, abort=abort))

    def rollback(
        self, context: Mapping[str, Any], identity: str, known: int | None = None, abort: bool = False
    ) -> dict[str, Any]:
        return answer(lambda: self._engine.rollback(identity, known, abort=abort))

    def release(self, context: Mapping[str, Any], host: str) -> dict[str, Any]:
        return answer(lambda: self._engine.release(host))

    def delete(self, context: Mapping[str, Any], identity: str, known: int | None = None) -> dict[str, Any]:
        return answer(lambda: self._engine.delete(identity, known))

    def freeze(self, context: Mapping[str, Any], reason: str, by: str) -> dict[str, Any]:
        return answer(lambda: self._engine.freeze(reason, by))

    def thaw(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return answer(self._engine.thaw)


def answer(work: Callable[[], Any]) -> dict[str, Any]:
    """Do it; whatever goes wrong is an answer too."""
    try:
        return envelope.pack_result(work())
    except VmpathError as error:
        return envelope.pack_error(error)
    except Exception as error:
        # the caller gets a sentence, the log the traceback
        LOG.exception("a call failed in the engine")
        return envelope.pack_error(VmpathError(f"the engine failed ({type(error).__name__}); its log says more"))


class EngineServer:
    """Serves calls in threads until it is stopped."""

    def __init__(self, transport: Any, engine: Commands, host: str, *more: object) -> None:
        """``more``: endpoints of other nouns."""
        import oslo_messaging

        self._server = oslo_messaging.get_rpc_server(
            transport,
            oslo_messaging.Target(topic=TOPIC, server=host),
            [_Endpoint(engine), *more],
        )

    def start(self) -> None:
        """Return when calls are taken."""
        self._server.start()

    def stop(self) -> None:
        """Take no more calls and finish those that are there."""
        self._server.stop()
        self._server.wait()
