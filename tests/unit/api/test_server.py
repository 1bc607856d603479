"""Listening: on loopback only, and not where somebody else does."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from vmpath_service.api.server import ApiServer, loopback_address
from vmpath_service.model.errors import InvalidInput, VmpathError


def hello(environ: object, start_response: object) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])  # type: ignore[operator]
    return [b"hello"]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::", "256.1.1.1"])
def test_other_addresses_are_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match=r"\[api\] bind_host: found"):
        loopback_address(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost"])
def test_loopback_is_fine(host: str) -> None:
    assert loopback_address(host)


def test_serves_from_start_to_stop() -> None:
    server = ApiServer(hello, "127.0.0.1", 0, threads=2)
    server.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=10) as answer:
        assert answer.read() == b"hello"
    server.stop()
    assert not server.alive()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(VmpathError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            ApiServer(hello, "127.0.0.1", port, threads=2)


def test_stopping_what_was_never_started_frees_the_port() -> None:
    server = ApiServer(hello, "127.0.0.1", 0, threads=2)
    server.stop()
    ApiServer(hello, "127.0.0.1", server.port, threads=2).stop()
