"""A simulated cloud in this process: start it, talk to it over HTTP, stop it."""

from __future__ import annotations

import contextlib
import logging
import threading
from types import TracebackType

import msgspec
import waitress.server
from waitress import wasyncore

from vmpath_service.model.snapshot import Snapshot
from vmpath_service.simulator import others, server_life
from vmpath_service.simulator.announcements import Announcer
from vmpath_service.simulator.chaos import Chaos
from vmpath_service.simulator.clock import Clock, ScaledClock
from vmpath_service.simulator.faults import HttpFault
from vmpath_service.simulator.identity import Identity
from vmpath_service.simulator.loading import load
from vmpath_service.simulator.notifier import Broker, Notifier
from vmpath_service.simulator.settings import Settings
from vmpath_service.simulator.web.application import Application
from vmpath_service.simulator.web.site import Site
from vmpath_service.simulator.world import World

STOP_TIMEOUT_S = 10.0
LONGEST_WAIT_S = 1.0
TICK_S = 0.1
MOST_IN_MEMORY = 16 * 2**20


class SimulatedCloud:
    """Keystone, Nova and Placement on one loopback port, each under a prefix.

    snapshot: what the cloud holds at the start. clock: how its time passes (real time by
    default). chaos: what goes wrong by itself (nothing by default). broker: where Nova's notifications
    go (nowhere by default). port 0: any free one. Use it as a context manager, or `start` and `stop` it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        faults: tuple[HttpFault, ...] = (),
        chaos: Chaos | None = None,
        broker: Broker | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = 8,
    ) -> None:
        self.clock = clock or ScaledClock()
        self.settings = settings or Settings()
        self.world: World = load(snapshot, self.clock, self.settings)
        if chaos is not None:
            others.unsettle(self.world, chaos)
        self.site = Site(self.world, Identity(self.settings))
        for fault in faults:
            self.site.faults.add(fault)
        self._notifier = Notifier(broker) if broker is not None else None
        if broker is not None and self._notifier is not None:
            self.world.announcer = Announcer(self._notifier.send, broker.with_updates)
        self._address = (host, port)
        self._threads = threads
        self._server: waitress.server.TcpWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._timekeeper: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def auth_url(self) -> str:
        return f"{self.site.base_url}/identity/v3"

    @property
    def unknown_requests(self) -> dict[str, int]:
        """What was asked for and is not simulated: how often each."""
        return dict(self.site.unknown)

    @property
    def notifications_sent(self) -> int:
        """How many notifications there were since the beginning."""
        return self._notifier.sent if self._notifier is not None else 0

    def add_fault(self, fault: HttpFault) -> None:
        """Let the next matching requests meet a fault."""
        self.site.faults.add(fault)

    def unsettle(self, chaos: Chaos) -> None:
        """Let this chaos reign from now on."""
        with self.world.lock:
            self.world.advance()
            others.unsettle(self.world, chaos)

    def kill_compute(self, host: str) -> None:
        """Let a host's nova-compute die; its service counts as down only some time later."""
        with self.world.lock:
            self.world.advance()
            server_life.kill_compute(self.world, self.world.hosts[host])

    def restart_compute(self, host: str) -> None:
        """Let a dead nova-compute come back."""
        with self.world.lock:
            self.world.advance()
            server_life.restart_compute(self.world, self.world.hosts[host])

    def silence_cell(self, cell: str, silent: bool = True) -> None:
        """Let a cell's database not answer, or answer again."""
        with self.world.lock:
            change = self.world.silent_cells.add if silent else self.world.silent_cells.discard
            change(cell)

    def start(self) -> SimulatedCloud:
        """Listen and serve. Raises OSError when the port is not to be had, ValueError for a broker that cannot be."""
        host, port = self._address
        # Without its own logging waitress warns of a queue whenever all threads are busy.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._server = waitress.server.create_server(
            Application(self.site),
            host=host,
            port=port,
            threads=self._threads,
            channel_request_lookahead=1,
            # a page of a thousand servers is more than the 1 MiB from which on answers go by way of a file
            outbuf_overflow=MOST_IN_MEMORY,
            ident="simulated-cloud",
        )
        if self._notifier is not None:
            self._notifier.start()
        self.site.base_url = f"http://{host}:{self._server.effective_port}"
        self._stopping.clear()
        if self._notifier is not None:
            self._timekeeper = threading.Thread(target=self._keep_time, name="simulated-time", daemon=True)
            self._timekeeper.start()
        self._thread = threading.Thread(target=self._serve, args=(self._server,), name="simulated-cloud", daemon=True)
        self._thread.start()
        return self

    def _serve(self, server: waitress.server.TcpWSGIServer) -> None:
        """waitress's own loop would go on while clients keep their connections open."""
        while not self._stopping.is_set():
            # select() dies of a file descriptor above 1023, which a busy process may well have
            wasyncore.loop(timeout=LONGEST_WAIT_S, use_poll=True, map=server._map, count=1)
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=STOP_TIMEOUT_S)
        wasyncore.close_all(server._map, ignore_all=True)

    def _keep_time(self) -> None:
        """Who only hears of the cloud shall hear of what is due; otherwise it happens when somebody asks."""
        while not self._stopping.wait(TICK_S):
            with self.world.lock:
                self.world.advance()

    def stop(self) -> None:
        """Stop serving; a second stop does nothing."""
        if self._server is None or self._thread is None:
            return
        # Set by the serving thread itself, so that the trigger is not gone before it is pulled.
        # It may have been awake for another reason, and be gone all the same: then all is well.
        with contextlib.suppress(OSError):
            self._server.trigger.pull_trigger(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)
        if self._timekeeper is not None:
            self._timekeeper.join(STOP_TIMEOUT_S)
        self._server = self._thread = self._timekeeper = None
        if self._notifier is not None:
            self._notifier.stop()

    def __enter__(self) -> SimulatedCloud:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def clouds(self) -> dict[str, dict[str, object]]:
        """The `clouds` of a clouds.yaml: `simulated` (administrator) and `simulated-demo`."""
        return {
            name: {
                "auth": {
                    "auth_url": self.auth_url,
                    "username": user,
                    "password": password,
                    "project_name": user,
                    "user_domain_name": "Default",
                    "project_domain_name": "Default",
                },
                "region_name": self.settings.region,
                "identity_api_version": "3",
            }
            for name, user, password in (
                ("simulated", "admin", self.settings.admin_password),
                ("simulated-demo", "demo", self.settings.demo_password),
            )
        }

    def clouds_yaml_text(self) -> str:
        """A clouds.yaml for this cloud (JSON is YAML)."""
        return msgspec.json.format(msgspec.json.encode({"clouds": self.clouds()}), indent=2).decode() + "\n"
