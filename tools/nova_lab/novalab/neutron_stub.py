"""The least of Neutron that Nova asks for when its servers have no ports.

Ports and networks that a test has written into a file are listed, too: {"ports": [...], "networks": [...]}, each with
Neutron's own fields. Anything else is answered with 404 and printed, so that a missing address shows up at once.

usage: neutron_stub.py PORT FILE
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

EXTENSIONS = (
    "binding",
    "binding-extended",
    "port-resource-request",
    "provider",
    "external-net",
    "quotas",
    "security-group",
)
EMPTY_LISTS = ("agents", "ports", "networks", "subnets", "security-groups", "floatingips")


#: what of a query says how to show a list, and not which of it
HOW = ("fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse")


def listed(noun: str, query: str, written: Path) -> list[dict[str, object]]:
    """What was written down and has, of each field that the query names, one of the values it gives."""
    wanted = {name: values for name, values in parse_qs(query).items() if name not in HOW}
    try:
        things = json.loads(written.read_text()).get(noun, [])
    except (OSError, ValueError):
        return []
    return [
        thing
        for thing in things
        if all(str(thing.get(name)) in values for name, values in wanted.items())
    ]


def answer(path: str, server: str, query: str, written: Path) -> dict[str, object] | None:
    """The document at *path*, or None when there is none."""
    noun = path.removeprefix("/v2.0/")
    if path == "":
        link = {"rel": "self", "href": f"http://{server}/v2.0/"}
        return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}
    if noun == "extensions":
        updated = "2020-01-01T00:00:00-00:00"
        return {
            "extensions": [
                {"alias": name, "name": name, "description": name, "links": [], "updated": updated}
                for name in EXTENSIONS
            ]
        }
    if noun.startswith("quotas/"):
        quota = dict.fromkeys(("port", "network", "floatingip", "security_group"), -1)
        return {"quota": quota}
    if noun in EMPTY_LISTS:
        name = noun.replace("-", "_")
        return {name: listed(name, query, written)}
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        path = asked.path.rstrip("/").removesuffix(".json")
        document = answer(path, self.headers["Host"], asked.query, Path(sys.argv[2]))
        if document is None:
            self._not_found()
        else:
            self._reply(200, document)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._not_found()

    do_PUT = do_DELETE = do_POST

    def _not_found(self) -> None:
        print("UNKNOWN", self.command, self.path, flush=True)
        error = {"type": "NotFound", "message": self.path, "detail": ""}
        self._reply(404, {"NeutronError": error})

    def _reply(self, status: int, document: dict[str, object]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, text: str, *arguments: object) -> None:
        print(text % arguments, flush=True)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
