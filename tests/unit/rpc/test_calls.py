"""Calls through oslo.messaging's in-process transport: values and exceptions arrive as what they were."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from vmpath_service.model import errors
from vmpath_service.model.errors import EngineUnreachable, InvalidFile, RequestRefused, VmpathError
from vmpath_service.model.records import Freeze, Rearrangement, RearrangementState, Request
from vmpath_service.rpc import envelope
from vmpath_service.rpc.client import EngineClient
from vmpath_service.rpc.server import EngineServer
from vmpath_service.rpc.transport import make_transport

REQUEST = Request(policy="drain", options={"max_migrations": 3}, hosts=("a", "b"), dry_run=True)


class Engine:
    """Answers with what it was given, or fails as it is told."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.hold = threading.Event()
        self.hold.set()

    def _answer(self, value: Any) -> Any:
        self.hold.wait(10)
        if self.failure is not None:
            raise self.failure
        return value

    def policies(self) -> Any:
        return self._answer([{"name": "drain"}])

    def hosts(self) -> Any:
        return self._answer([{"name": "a", "used": {"VCPU": 3}}])

    def instances(self) -> Any:
        return self._answer([])

    def create(self, request: Request) -> Rearrangement:
        made: Rearrangement = self._answer(Rearrangement("r1", request, RearrangementState.PLANNING, 1.5, 2.5))
        return made

    def approve(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement:
        made: Rearrangement = self._answer(Rearrangement(identity, REQUEST, RearrangementState.RUNNING, 1.5, 2.5))
        return made

    pause = proceed = cancel = rollback = approve

    def release(self, host: str) -> bool:
        return bool(self._answer(host == "a"))

    def delete(self, identity: str, known: int | None = None) -> None:
        self._answer(None)

    def freeze(self, reason: str, by: str) -> Freeze:
        made: Freeze = self._answer(Freeze(1.0, reason, by))
        return made

    def thaw(self) -> None:
        self._answer(None)


@pytest.fixture(scope="module")
def joined() -> Iterator[tuple[Engine, EngineClient]]:
    """An engine and a client of it (stopping a server takes oslo.messaging a second)."""
    engine, transport = Engine(), make_transport()
    server = EngineServer(transport, engine, "here")
    server.start()
    yield engine, EngineClient(transport, timeout=1.0, reading_timeout=5.0)
    server.stop()
    transport.cleanup()


@pytest.fixture
def engine(joined: tuple[Engine, EngineClient]) -> Iterator[Engine]:
    yield joined[0]
    joined[0].failure = None
    joined[0].hold.set()


@pytest.fixture
def client(joined: tuple[Engine, EngineClient]) -> EngineClient:
    return joined[1]


def test_values_arrive_as_they_were(client: EngineClient) -> None:
    made = client.create(REQUEST)
    assert made.request == REQUEST
    assert (made.id, made.state, made.created_at) == ("r1", RearrangementState.PLANNING, 1.5)
    assert [call("r7").id for call in (client.approve, client.pause, client.proceed, client.cancel)] == ["r7"] * 4
    assert client.rollback("r7", abort=True).id == "r7"
    assert (client.release("a"), client.release("b")) == (True, False)
    assert client.hosts() == [{"name": "a", "used": {"VCPU": 3}}]
    assert client.freeze("why", "who") == Freeze(1.0, "why", "who")
    assert client.delete("r1") is None
    assert client.thaw() is None


@pytest.mark.parametrize(
    "failure", [InvalidFile("f.ini", "/x", "is wrong"), RequestRefused("no room", 409), errors.Conflict("not now")]
)
def test_our_exceptions_arrive_as_they_were(client: EngineClient, engine: Engine, failure: VmpathError) -> None:
    engine.failure = failure
    with pytest.raises(type(failure)) as caught:
        client.create(REQUEST)
    assert str(caught.value) == str(failure)
    assert vars(caught.value) == vars(failure)


def test_an_accident_in_the_engine_is_a_sentence_here_and_a_traceback_in_its_log(
    client: EngineClient, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.failure = KeyError("sekret")
    with pytest.raises(VmpathError, match="the engine failed") as caught:
        client.policies()
    assert "sekret" not in str(caught.value)
    assert "KeyError: 'sekret'" in caplog.text


def test_an_engine_that_does_not_answer_is_given_up(client: EngineClient, engine: Engine) -> None:
    engine.hold.clear()
    with pytest.raises(EngineUnreachable, match="did not answer to 'policies' in time"):
        client.policies()


def test_every_exception_of_ours_can_cross() -> None:
    for kind in vars(errors).values():
        if not (inspect.isclass(kind) and issubclass(kind, VmpathError)):
            continue
        arguments = {InvalidFile: ("f", "/p", "is wrong"), RequestRefused: ("no", 409)}.get(kind, ("no",))
        with pytest.raises(kind) as caught:
            envelope.unpack(envelope.pack_error(kind(*arguments)))
        assert type(caught.value) is kind


def test_a_subclass_from_elsewhere_arrives_as_what_it_is_a_kind_of() -> None:
    class TooEarly(errors.Conflict):
        pass

    with pytest.raises(errors.Conflict, match="wait"):
        envelope.unpack(envelope.pack_error(TooEarly("wait")))
