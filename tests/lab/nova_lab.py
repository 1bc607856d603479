"""The lab as tests see it: its commands, and raw access to its APIs."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from keystoneauth1.adapter import Adapter
from openstack.config import OpenStackConfig

SCRIPT = Path(__file__).parents[2] / "tools" / "nova_lab" / "lab"
COMPUTE_MICROVERSION = "2.96"
PLACEMENT_MICROVERSION = "1.39"

Found = TypeVar("Found")


class NovaLab:
    """A lab that is up.

    Nothing here goes through vmpath, so that it can serve as its judge.
    """

    def __init__(self) -> None:
        status = json.loads(run_script("status", "--json"))
        self.directory = Path(status["directory"])
        self.clouds_file = Path(status["clouds_file"])
        self.hosts: tuple[str, ...] = tuple(status["computes"])
        self.max_live_migrations: int = status["max_live_migrations"]
        self._deferring_url: str = status["nova_deferring"]
        self._database_socket: str = status["database_socket"]
        self.broker_url: str = status["broker"]
        self.notification_topic: str = status["notification_topic"]

    def adapter(self, service_type: str, microversion: str, cloud: str = "novalab") -> Adapter:
        """Raw REST access by way of the catalog; errors answer, they do not raise."""
        config = OpenStackConfig(config_files=[str(self.clouds_file)], load_envvars=False)
        return Adapter(
            config.get_one(cloud).get_session(),
            service_type=service_type,
            interface="public",
            default_microversion=microversion,
            raise_exc=False,
        )

    @functools.cached_property
    def compute(self) -> Adapter:
        """Nova, as the administrator."""
        return self.adapter("compute", COMPUTE_MICROVERSION)

    @functools.cached_property
    def placement(self) -> Adapter:
        """Placement, as the administrator."""
        return self.adapter("placement", PLACEMENT_MICROVERSION)

    @functools.cached_property
    def demo_compute(self) -> Adapter:
        """Nova, as an ordinary user."""
        return self.adapter("compute", COMPUTE_MICROVERSION, "novalab-demo")

    @functools.cached_property
    def deferring_compute(self) -> Adapter:
        """Nova, as the administrator, where deletions are deferred (SOFT_DELETED)."""
        return Adapter(
            self.compute.session,
            endpoint_override=self._deferring_url,
            service_type="compute",
            default_microversion=COMPUTE_MICROVERSION,
            raise_exc=False,
        )

    def reset(self) -> None:
        """Delete every server, group and aggregate; every host up and enabled again."""
        run_script("reset")

    def kill_compute(self, host: str) -> None:
        """End the nova-compute of *host* with SIGKILL; Nova notices some seconds later."""
        run_script("kill-compute", host.removeprefix("compute"))

    def tell_ports(self, ports: list[dict[str, object]], networks: list[dict[str, object]]) -> None:
        """Have Neutron list these, in its own words, until the next reset."""
        (self.directory / "run" / "neutron.json").write_text(json.dumps({"ports": ports, "networks": networks}))

    @contextlib.contextmanager
    def share_of(self, server: str) -> Iterator[str]:
        """Within the block Nova's database says that a server has a share, of which this is the id.

        There is no Manila in the lab, which Nova would have to ask when the share is attached or detached.
        """
        share = str(uuid.uuid4())
        self._in_database(
            "INSERT INTO share_mapping (created_at, uuid, instance_uuid, share_id, status, tag, export_location,"
            f" share_proto) VALUES (NOW(), '{uuid.uuid4()}', '{server}', '{share}', 'active', '{share}',"
            " '192.0.2.1:/share', 'NFS')"
        )
        try:
            yield share
        finally:
            self._in_database(f"DELETE FROM share_mapping WHERE share_id = '{share}'")

    def _in_database(self, statement: str) -> None:
        """One statement in the database of Nova's cell."""
        client = ["mariadb", "--no-defaults", "-uroot", "-S", self._database_socket, "nova", "-e", statement]
        outcome = subprocess.run(client, capture_output=True, text=True, timeout=60, check=False)
        assert outcome.returncode == 0, outcome.stderr

    def start_compute(self, host: str) -> None:
        """Start the nova-compute of *host* again; returns when it has shown itself.

        That Nova calls it up is not enough: it does so on the last sign of life of the one before, too, for as long as
        that is not too old, and then calls it down until the new one shows itself.
        """
        run_script("start-compute", host.removeprefix("compute"))
        before = self._shown_at(host)
        until(lambda: self._shown_at(host) != before, f"{host} shows itself", 180)

    def _shown_at(self, host: str) -> str:
        """When its compute service was last changed: by a sign of life, or by a request to change it."""
        [service] = call(self.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"]
        return str(service["updated_at"])


def run_script(*words: str, timeout: float = 900) -> str:
    """The standard output of one lab command; AssertionError with its errors if it fails."""
    outcome = subprocess.run(
        [SCRIPT, *words], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert outcome.returncode == 0, f"lab {' '.join(words)}: {outcome.stderr or outcome.stdout}"
    return outcome.stdout


def call(
    adapter: Adapter,
    method: str,
    url: str,
    body: object = None,
    microversion: str | None = None,
) -> Any:
    """The decoded answer to one request; AssertionError with the answer if it is an error."""
    version = {"microversion": microversion} if microversion else {}
    answer = adapter.request(url, method, json=body, **version)
    assert answer.status_code < 400, f"{method} {url}: {answer.status_code} {answer.text[:500]}"
    return answer.json() if answer.content else None


def until(seek: Callable[[], Found], what: str, seconds: float = 120) -> Found:
    """The first true answer of *seek*; AssertionError when there is none in time.

    It is asked for at most half of the time: what is waited for wants the processors, too.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked_at = time.monotonic()
        if found := seek():
            return found
        now = time.monotonic()
        assert now < deadline, f"after {seconds} s still not: {what}"
        time.sleep(max(0.2, now - asked_at))
