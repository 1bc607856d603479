"""Serving the API in threads of this process."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from typing import Any

import waitress.server
from waitress import wasyncore

from vmpath_service.model.errors import InvalidInput, VmpathError

_STOP_S = 10.0
_LOOK_S = 1.0


def loopback_address(host: str) -> str:
    """The address behind ``host``: without authentication only a loopback one will do; raises InvalidInput."""
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise InvalidInput(f"[api] bind_host: found {host!r}, which is no address of this machine") from error
    if not all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found):
        raise InvalidInput(
            f"[api] bind_host: found {host!r}; without authentication (auth_strategy = none) only a loopback address, "
            "such as 127.0.0.1, is allowed"
        )
    return found[0]


class ApiServer:
    """Serves a WSGI application from ``start`` to ``stop``."""

    def __init__(self, app: Any, host: str, port: int, *, threads: int) -> None:
        """Listens at once, so that a port in use shows early. Raises VmpathError."""
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        try:
            self._server: Any = waitress.server.create_server(
                app, host=host, port=port, threads=threads, ident="vmpath", clear_untrusted_proxy_headers=True
            )
        except OSError as error:
            raise VmpathError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
        self.port: int = self._server.effective_port
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Accept no more and give what is being answered some seconds."""
        if self._thread.is_alive():
            self._stopping.set()
            self._server.trigger.pull_trigger()
            self._woken.set()
            self._thread.join(_STOP_S + 2 * _LOOK_S)
        else:
            self._stopping.set()
            wasyncore.close_all(self._server._map, ignore_all=True)

    def _serve(self) -> None:
        # waitress's own loop would go on for as long as clients keep their connections open
        while not self._stopping.is_set():
            wasyncore.loop(timeout=_LOOK_S, use_poll=True, map=self._server._map, count=1)
        # the trigger must not be gone, or its descriptor be somebody else's, when it is pulled
        self._woken.wait(_STOP_S)
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=_STOP_S)
        wasyncore.close_all(self._server._map, ignore_all=True)
