"""Days of modelled time in the life of maintenances, on a modelled cloud."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from tests.modelled.clock import StepClock
from tests.modelled.cloud import HostState, ModelCloud, Server
from vmpath_service.engine.maintenance.attending import MaintenanceSettings, Surroundings
from vmpath_service.engine.maintenance.keeper import MaintenanceKeeper
from vmpath_service.engine.maintenance.maintaining import Maintaining
from vmpath_service.engine.maintenance.outlooks import RoundPlanner
from vmpath_service.engine.planning import Job, Work, job_for
from vmpath_service.engine.ports import Within, just_made
from vmpath_service.engine.settings import EngineSettings
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, scheduled
from vmpath_service.model.options import OptionValue, read_options
from vmpath_service.model.placement import Placement
from vmpath_service.model.records import Rearrangement, RearrangementState, Request
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.store import Database
from vmpath_service.store.documents import Documents

HOUR = 3600.0


class Diary(StepClock):
    """Things happen at their times while somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self._entries.append((seconds, action))

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        assert self.now < 60 * 86400, "nothing has come of it for two months"
        for entry in [entry for entry in self._entries if entry[0] <= self.now]:
            self._entries.remove(entry)
            entry[1]()


class Planning:
    """Plans where it is asked."""

    def values(self, request: Request) -> Mapping[str, OptionValue]:
        return read_options(registry.find("drain").declared(), request.options, texts=False, where="policy drain")

    def job(self, request: Request, snapshot: Snapshot) -> Job:
        return job_for(EngineSettings("test", {}), request, "drain", self.values(request), snapshot)

    def beside(self, work: Work, make: Callable[[Work], bytes], cancelled: Callable[[], bool]) -> bytes:
        return make(work)


class Rearrangements:
    """Those that the policy decides are walked at once; ``meanwhile`` happens while the next one is."""

    def __init__(self, cloud: ModelCloud, planning: Planning) -> None:
        self._cloud = cloud
        self._planning = planning
        self.records: dict[str, Rearrangement] = {}
        self.meanwhile: list[Callable[[], object]] = []

    def create(self, request: Request, within: Within = just_made) -> Rearrangement:
        made = within(lambda: Rearrangement(f"r{len(self.records)}", request, RearrangementState.PLANNING, 0, 0))
        policy = registry.make("drain", request.options)
        decision = policy.decide(compile_cloud(self._cloud.read()), Scope(hosts=request.hosts))
        for uuid_, host in decision.placement.items():
            if self._cloud.hosts[self._cloud.servers[uuid_].host].up:
                self._cloud.servers[uuid_].host = host
        if self.meanwhile:
            self.meanwhile.pop(0)()
        state = RearrangementState.FAILED if decision.shortage else RearrangementState.SUCCEEDED
        self.records[made.id] = msgspec.structs.replace(made, state=state, explanation=decision.shortage)
        return self.records[made.id]

    def show(self, identity: str) -> Rearrangement:
        return self.records[identity]

    def cancel(self, identity: str) -> Rearrangement:
        return self.records[identity]

    def delete(self, identity: str) -> None:
        del self.records[identity]


class Hooks:
    """``work`` is what they do; it may raise HookFailed."""

    def __init__(self) -> None:
        self.work: Callable[[Sequence[str]], object] = lambda hosts: None
        self.begun: list[tuple[str, tuple[str, ...]]] = []

    def names(self) -> Collection[str]:
        return ("work", "reboot", "power-off", "power-on")

    def run(self, name: str, occasion: Mapping[str, Any]) -> None:
        self.begun.append((name, tuple(occasion["hosts"])))
        self.work(occasion["hosts"])


class Stage:
    """Six equal hosts, each half full; what carries maintenances on, in the test's own thread."""

    def __init__(self, database: Database) -> None:
        self.clock = Diary()
        self.cloud = ModelCloud(
            self.clock,
            {f"h{at}": HostState({"MEMORY_MB": 100}) for at in range(6)},
            {f"v{at}{piece}": Server(f"h{at}", {"MEMORY_MB": 25}) for at in range(6) for piece in "ab"},
        )
        planning = Planning()
        self.records = Documents(database, Maintenance, "maintenance", lambda record: record.state.value)
        self.rearrangements = Rearrangements(self.cloud, planning)
        self.hooks = Hooks()
        self.told: list[tuple[str, float, str]] = []
        self.around = Surroundings(
            cloud=self.cloud,
            records=self.records,
            rearrangements=self.rearrangements,
            rounds=RoundPlanner(planning, self.records, self.cloud.read),
            hooks=self.hooks,
            clock=self.clock,
            settings=MaintenanceSettings(poll_seconds=300, return_seconds=1800, settle_seconds=60, late_seconds=HOUR),
            stopping=lambda: False,
            tell=lambda kind, message, _: self.told.append((kind, self.clock.now, message)),
            keep_placement=self._keep,
            turn=threading.Lock(),
        )
        self.keeper = MaintenanceKeeper(self.around, lambda request: None)

    def make(self, *hosts: str, after: float = 0.0, **wishes: Any) -> str:
        """A maintenance that begins so many seconds from now."""
        request = MaintenanceRequest(hosts, **wishes)
        now = self.clock.time()
        made = scheduled(str(uuid.uuid4()), request, now + after, now)
        self.records.create(made.id, made)
        return made.id

    def live(self, identity: str) -> Maintenance:
        """Carry it on to its end."""
        Maintaining(identity, self.around).carry_on()
        return self.records.get(identity)

    def kinds(self) -> list[str]:
        return [kind.partition(".")[2] for kind, _, _ in self.told]

    def times(self, kind: str) -> list[float]:
        return [at for told, at, _ in self.told if told == f"maintenance.{kind}"]

    def guests(self, host: str) -> list[str]:
        return sorted(name for name, server in self.cloud.servers.items() if server.host == host)

    def out_of_service(self) -> dict[str, str | None]:
        return {name: host.reason for name, host in self.cloud.hosts.items() if not host.enabled}

    def _keep(self, identity: str, placement: Placement) -> dict[str, Any]:
        raise AssertionError("nothing is to be brought back")
