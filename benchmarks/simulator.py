"""What it takes the simulated cloud to serve pages of servers: its CPU and real time for each, and its memory.

usage: python benchmarks/simulator.py [--hosts 10000] [--servers 100000] [--pages 200]

Serves a made-up cloud in a process of its own. Pages of 1,000 servers in full are asked for by one client, one after
the other, while another client keeps it busy (`--quiet`: none does): it has servers migrated and reads Placement.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inventory import served

PAGE = 1000


class Client:
    """A connection that is kept, with a token."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        where = urllib.parse.urlsplit(entry["auth"]["auth_url"])
        self._connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port or 80, timeout=300)
        self._headers = {"Content-Type": "application/json", "OpenStack-API-Version": "compute 2.96,placement 1.39"}
        domain = {"domain": {"id": "default"}}
        user = {"name": entry["auth"]["username"], "password": entry["auth"]["password"], **domain}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": entry["auth"]["project_name"], **domain}},
        }
        headers, _ = self._ask("POST", "/identity/v3/auth/tokens", {"auth": auth})
        self._headers["X-Auth-Token"] = str(headers["X-Subject-Token"])

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of the answer; a conflict is one too."""
        return self._ask(method, path, body)[1]

    def timed(self, path: str) -> tuple[bytes, float]:
        """What GET answers, and the server's CPU time for it in ms."""
        headers, content = self._ask("GET", path, None)
        return content, float(headers["Server-Timing"].partition("dur=")[2])

    def _ask(self, method: str, path: str, body: object) -> tuple[Mapping[str, str], bytes]:
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400 and answer.status != 409:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return answer.headers, content


def cpu_ms(pid: int) -> float:
    """What the process has used so far, of user's and system's time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """The most that it ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def quantiles(values: list[float]) -> str:
    """Of some ms."""
    ordered = sorted(values)
    shares = (("median", statistics.median(ordered)), ("90 %", ordered[int(len(ordered) * 0.9)]))
    shares += (("99 %", ordered[int(len(ordered) * 0.99)]), ("most", ordered[-1]))
    return ", ".join(f"{name} {value:.0f} ms" for name, value in shares)


def disturb(entry: Mapping[str, Any], ended: threading.Event, asked: list[int]) -> None:
    """Keep the cloud busy with what an executor asks: migrations, books, records."""
    client = Client(entry)
    listed = json.loads(client.ask("GET", "/compute/v2.1/servers?all_tenants=1&limit=200"))
    servers = [each["id"] for each in listed["servers"]]
    while not ended.is_set():
        for server in servers:
            if ended.is_set():
                return
            body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
            client.ask("POST", f"/compute/v2.1/servers/{server}/action", body)
            client.ask("GET", f"/placement/allocations/{server}")
            client.ask("GET", f"/compute/v2.1/os-migrations?instance_uuid={server}")
            asked[0] += 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--servers", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--quiet", action="store_true", help="no other client meanwhile")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, served(given.hosts, given.servers, Path(directory)) as entry:
        client = Client(entry)
        pid = int(json.loads(client.ask("GET", "/simulator"))["pid"])
        ended, asked = threading.Event(), [0]
        other = threading.Thread(target=disturb, args=(entry, ended, asked))
        if not given.quiet:
            other.start()
        real: list[float] = []
        server: list[float] = []
        path = ""
        began, cpu = time.monotonic(), cpu_ms(pid)
        for _ in range(given.pages):
            path = path or f"/compute/v2.1/servers/detail?all_tenants=1&limit={PAGE}"
            asked_at = time.monotonic()
            answer, took = client.timed(path)
            real.append((time.monotonic() - asked_at) * 1000)
            server.append(took)
            body = json.loads(answer)
            links = body.get("servers_links")
            path = links[0]["href"].partition("//")[2].partition("/")[2] if links else ""
            path = f"/{path}" if path else ""
        cpu = cpu_ms(pid) - cpu
        ended.set()
        if not given.quiet:
            other.join()
        memory = resident_mib(pid)
    print(f"{given.hosts} hosts, {given.servers} servers; {given.pages} pages of {PAGE}, {asked[0]} other requests")
    print(f"server's CPU for a page:  {quantiles(server)}; with sending and other requests {cpu / given.pages:.1f} ms")
    print(f"real time of a page:      {quantiles(real)}; {time.monotonic() - began:.0f} s in all")
    print(f"memory at most {memory:.0f} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
