"""A way to a server that falls silent: nobody takes what is sent, and nobody says so, as where a machine vanishes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PATIENCE_S = 60.0
_SMALL = 8192


class Way:
    """Passes on what goes between clients and a server until ``fall_silent``; connections that are made after that are
    taken, and hear nothing. After ``speak_again`` new connections are passed on."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._silent = threading.Event()
        self._listening = socket.socket()
        # little is on its way, as the client is to notice that nobody takes more
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def fall_silent(self) -> None:
        self._silent.set()

    def speak_again(self) -> None:
        self._silent = threading.Event()

    def close(self) -> None:
        for each in (self._listening, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._sockets.append(client)
            silent = self._silent
            if silent.is_set():
                continue
            server = socket.create_connection(self._server)
            self._sockets.append(server)
            for source, sink in ((client, server), (server, client)):
                thread = threading.Thread(target=_pass_on, args=(source, sink, silent), daemon=True)
                self._threads.append(thread)
                thread.start()


def _pass_on(source: socket.socket, sink: socket.socket, silent: threading.Event) -> None:
    with suppress(OSError):
        while (data := source.recv(_SMALL)) and not silent.is_set():
            sink.sendall(data)
    if not silent.is_set():
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def way_to(host: str, port: int) -> Iterator[Way]:
    """One, as long as the block lasts."""
    way = Way((host, port))
    try:
        yield way
    finally:
        way.close()
