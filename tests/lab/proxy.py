"""A proxy before Nova's API that loses, refuses and delays what a test wants lost, refused and delayed."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from tests.lab.nova_lab import NovaLab

HOP_BY_HOP = frozenset(("connection", "content-length", "content-encoding", "transfer-encoding", "keep-alive"))
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the proxy says of its own accord."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection breaks without an answer; ``forwarded``: after Nova was asked."""

    forwarded: bool


Judge = Callable[[str, str, bytes], Answer | Lost | None]
"""Of method, path and body of a request; None: it goes its way."""


@contextlib.contextmanager
def before_nova(lab: NovaLab, judge: Judge) -> Iterator[str]:
    """The address of Nova's API by way of the proxy, for as long as the block lasts."""
    endpoint = urllib.parse.urlsplit(str(lab.compute.get_endpoint()))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            verdict = judge(self.command, self.path, body)
            if isinstance(verdict, Answer):
                self._say(verdict.status, verdict.headers, b'{"error": {"message": "the proxy says so"}}')
                return
            if isinstance(verdict, Lost) and not verdict.forwarded:
                self._break_off()
                return
            asked: Any = requests.request(
                self.command,
                f"{endpoint.scheme}://{endpoint.netloc}{self.path}",
                data=body,
                headers={name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP},
                timeout=PATIENCE_S,
            )
            if isinstance(verdict, Lost):
                self._break_off()
            else:
                self._say(asked.status_code, asked.headers, asked.content)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one

        def _say(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _break_off(self) -> None:
            self.close_connection = True
            self.connection.close()

        def log_message(self, format: str, *words: object) -> None:
            """The lab's own logs say enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{endpoint.path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def clouds_by_way_of(lab: NovaLab, address: str) -> str:
    """The text of a clouds.yaml in which Nova is at ``address``."""
    content = json.loads(lab.clouds_file.read_text())
    content["clouds"]["novalab"]["compute_endpoint_override"] = address
    return json.dumps(content)
