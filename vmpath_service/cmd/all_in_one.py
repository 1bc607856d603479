"""Everything in one process: the engine, the calls to it, and the API on a loopback address."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from vmpath_service.api import application
from vmpath_service.api.server import ApiServer, loopback_address
from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.notifications import NotificationListener, NotificationSettings
from vmpath_service.cmd.configuration import Configuration, load_again
from vmpath_service.cmd.metering import Meter
from vmpath_service.cmd.upkeep import InformedHooks, maintenance_records, put_together, schedule_records
from vmpath_service.engine.clock import SystemClock
from vmpath_service.engine.service import Engine
from vmpath_service.hooks.registry import ConfiguredHooks
from vmpath_service.model.decoding import learn_structs
from vmpath_service.model.errors import CloudUnreachable, NoDecision, VmpathError
from vmpath_service.model.records import Event
from vmpath_service.notifier.announcer import Announcer, Receiver
from vmpath_service.notifier.broker import BrokerNotifier, SendingSettings
from vmpath_service.notifier.composing import Composer
from vmpath_service.rpc.client import EngineClient
from vmpath_service.rpc.maintenances import MaintenanceClient, MaintenanceEndpoint
from vmpath_service.rpc.schedules import ScheduleClient, ScheduleEndpoint
from vmpath_service.rpc.server import EngineServer
from vmpath_service.rpc.transport import make_transport
from vmpath_service.store import Database, SqlStore

LOG = logging.getLogger(__name__)

_COMMAND_S = 60.0
_READING_S = 240.0
_STOP_S = 60.0
# Between two looks for a cloud that was away when the service started.
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 15.0


class AllInOne:
    """The daemon from its start to its end. Every step of ``start`` raises VmpathError with one sentence."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._policies = configuration.engine.policies
        self._undo: list[Any] = []

    def start(self) -> int:
        """Serve; returns the port of the API."""
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Take no more requests, start nothing more, leave everything journaled; undoes ``start`` backwards."""
        while self._undo:
            step = self._undo.pop()
            try:
                step()
            except Exception:  # the other parts still have to be stopped
                LOG.exception("a part of the service did not stop as it should")

    def reload(self) -> None:
        """Take over policies and schedules as the files have them now; files with a mistake change nothing."""
        before = self._policies
        try:
            fresh = load_again(self._configuration)
            # schedules are held against the policies that come with them
            self._engine.use(fresh.engine.policies)
            self._upkeep.schedules.use(fresh.schedules)
        except VmpathError as error:
            self._engine.use(before)
            LOG.error("policies and schedules stay as they were: %s", error)
            return
        self._policies = fresh.engine.policies
        LOG.warning("policies read again: %s", ", ".join(self._policies))

    def _start(self) -> int:
        learn_structs()
        configuration = self._configuration
        _make_directory(configuration.state_path)
        lock = _lock(configuration.state_path / "service.lock")
        self._undo.append(lock.close)
        named = replace(configuration.engine, owner=_name_of_engine(configuration.state_path))
        configuration = replace(configuration, engine=named)

        api = configuration.api
        database = configuration.database.open()
        self._undo.append(database.close)
        _prepare(database)
        clock = SystemClock()
        store = SqlStore(database, clock)

        changes = self._listen(configuration.notifications)
        meter = Meter(store, maintenance_records(database))
        cloud = NovaCloud(configuration.cloud, changes, meter.asked)
        reached = _reached(cloud)
        hooks = ConfiguredHooks(configuration.hooks)
        composer = Composer(store, maintenance_records(database), schedule_records(database))
        announcer = Announcer(composer, _receivers(hooks, configuration.sending))
        meter.watch(announcer.tallies)

        def told(event: Event) -> None:
            announcer.tell(event)
            meter.happened(event)

        self._engine = Engine(cloud, store, clock, configuration.engine, told, happenings=changes)
        informed = InformedHooks(hooks, composer, clock)
        self._upkeep = upkeep = put_together(configuration, self._engine, store, database, cloud, clock, informed)
        upkeep.schedules.use(configuration.schedules)
        transport = make_transport()
        client = EngineClient(transport, timeout=_COMMAND_S, reading_timeout=_READING_S)

        def database_answers() -> None:
            store.frozen()

        stopping = threading.Event()
        app = application.make(
            application.Parts(
                engine=client,
                store=store,
                maintenances=MaintenanceClient(transport, timeout=_READING_S),
                maintenance_records=upkeep.maintenance_records,
                schedules=ScheduleClient(transport, timeout=_COMMAND_S),
                schedule_records=upkeep.schedule_records,
                checks={"database": database_answers},
                metrics=meter.collect,
                authentication=api.authentication(),
                access=api.access(),
                stopping=stopping,
            )
        )
        address = loopback_address(api.bind_host) if api.auth_strategy == "none" else api.bind_host
        server = ApiServer(app, address, api.bind_port, threads=api.threads)

        def stop_api() -> None:
            stopping.set()
            server.stop()

        self._undo.append(stop_api)

        # stopped in this order: the API, the calls, the engine, what leans on it
        leaning = [announcer.stop, upkeep.schedules.stop, upkeep.maintenances.stop]
        self._undo[-1:] = [*leaning, self._engine.stop, stop_api]
        announcer.start()
        if reached:
            self._resume()
        else:
            waiting = threading.Thread(target=self._resume_later, args=(cloud, stopping), name="cloud-away")
            waiting.start()
            self._undo[-1:] = [waiting.join, stop_api]
        calls = EngineServer(
            transport,
            self._engine,
            socket.gethostname(),
            MaintenanceEndpoint(upkeep.maintenances),
            ScheduleEndpoint(upkeep.schedules),
        )
        calls.start()
        self._undo[-1:] = [calls.stop, stop_api]
        server.start()
        return server.port

    def _resume(self) -> None:
        resumed = self._engine.resume()
        if resumed:
            LOG.warning("%d rearrangements are taken up again", resumed)
        resumed = self._upkeep.maintenances.resume()
        if resumed:
            LOG.warning("%d maintenances are taken up again", resumed)
        self._upkeep.schedules.start()

    def _resume_later(self, cloud: NovaCloud, stopping: threading.Event) -> None:
        """Take up what was going on once the cloud answers: what was being planned would fail before."""
        pause = _FIRST_PAUSE_S
        while not stopping.wait(pause):
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            try:
                if _reached(cloud):
                    LOG.warning("the cloud answers now")
                    self._resume()
                    return
            except VmpathError as error:
                LOG.error("the cloud answers, but not as is needed: %s", error)
            except Exception:
                LOG.exception("looking for the cloud broke; it goes on")

    def _listen(self, settings: NotificationSettings) -> Changes | None:
        """What Nova's notifications tell of, if they are to be listened to."""
        if settings.url is None:
            return None
        changes = Changes()
        listener = NotificationListener(settings, changes)
        listener.start()
        self._undo.append(listener.stop)
        return changes


def serve(configuration: Configuration) -> int:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the policies again. Returns the exit status."""
    wake = threading.Event()
    wanted: set[int] = set()

    def note(number: int, _: object) -> None:
        wanted.add(number)
        wake.set()

    service = AllInOne(configuration)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    port = service.start()
    host = configuration.api.bind_host
    print(f"vmpath-service is ready at http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)  # noqa: T201
    while not wanted & {signal.SIGTERM, signal.SIGINT}:
        wake.wait()
        wake.clear()
        if signal.SIGHUP in wanted:
            wanted.discard(signal.SIGHUP)
            service.reload()
    guard = threading.Timer(_STOP_S, _give_up)
    guard.daemon = True
    guard.start()
    service.stop()
    guard.cancel()
    return 0


def _receivers(hooks: ConfiguredHooks, sending: SendingSettings) -> list[Receiver]:
    """Who is told of events, by the configuration. Raises InvalidInput."""
    found = []
    if hooks.tells():
        found.append(Receiver("hooks", hooks.wants, hooks.tell))
    if sending.drivers:
        found.append(Receiver("broker", lambda _: True, BrokerNotifier(sending).deliver))
    return found


def _give_up() -> None:
    """Everything that matters is in the database already: a part that does not stop is not waited for."""
    LOG.error("the service did not stop within %g s and ends now", _STOP_S)
    os._exit(1)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise VmpathError(f"{path}: cannot be made (state_path): {error.strerror}") from error


def _lock(path: Path) -> IO[str]:
    """Hold the file for as long as this process lives: two engines on one SQLite file would both walk plans."""
    try:
        file = path.open("a+")
    except OSError as error:
        raise VmpathError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise VmpathError(f"another vmpath-service (process {holder}) works in {path.parent} already") from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _prepare(database: Database) -> None:
    """An SQLite file is brought up to date at once: nobody else uses it. A server's schema is its operator's."""
    if database.url.get_backend_name() == "sqlite":
        before, after = database.upgrade()
        if before is not None and before != after:
            LOG.warning("the schema of the database was brought from %s to %s", before, after)


def _reached(cloud: NovaCloud) -> bool:
    """Find out early whether the cloud answers, and answers us; raises CloudDenied and InvalidInput.

    Neither a cloud that answers in part nor one that does not answer is a reason not to start: migrations under way
    want to be followed as soon as they can be seen.
    """
    try:
        # needs the rights of an administrator and nothing but one short list
        cloud.read_hosts(("",))
    except CloudUnreachable as error:
        LOG.warning("the cloud cannot be reached, nothing is decided until it can: %s", error)
        return False
    except NoDecision as error:
        LOG.warning("%s", error)
    return True


def _name_of_engine(state_path: Path) -> str:
    """The name of this engine to others on the same database, the same after a restart: this machine, and a mark of
    the state that it works on. Whoever holds the lock there is the only one with that name."""
    path = state_path / "engine.name"
    try:
        mark = path.read_text().strip()
        if not mark:
            raise FileNotFoundError
    except FileNotFoundError:
        mark = uuid.uuid4().hex[:12]
        _write(path, mark)
    except OSError as error:
        raise VmpathError(f"{path}: cannot be read: {error.strerror}") from error
    return f"{socket.gethostname()}:{mark}"


def _write(path: Path, text: str) -> None:
    """Whole, or not at all."""
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(f"{text}\n")
        fresh.replace(path)
    except OSError as error:
        raise VmpathError(f"{path}: cannot be written: {error.strerror}") from error
