"""What is counted and measured while the service runs, for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vmpath_service.model.maintenances import Maintenance, MaintenanceState
from vmpath_service.model.records import Event, MigrationState, RearrangementState
from vmpath_service.notifier.announcer import Tally
from vmpath_service.store import SqlStore
from vmpath_service.store.documents import Documents

_LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PLANNING = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_MOST_SEEN = 10_000
_MIGRATIONS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_ASKED_FOR = "rearrangement.planning"
_PLANNED = frozenset(("rearrangement.planned", "rearrangement.awaiting_approval", "rearrangement.running"))
_NOT_PLANNED = frozenset(("rearrangement.failed", "rearrangement.cancelled"))
_REQUESTED = "migration.requested"
_ENDED = frozenset(("migration.done", "migration.failed"))


class Meter:
    """All figures of one service."""

    def __init__(self, store: SqlStore, maintenances: Documents[Maintenance]) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        self._registry.register(_Records(store, maintenances))
        self._events = Counter(
            "vmpath_events", "What happened, by kind.", ("kind",), registry=self._registry
        )
        self._planning = Histogram(
            "vmpath_planning_seconds",
            "From the request of a rearrangement to its plan: waiting, reading the cloud, policy and path finder.",
            buckets=_PLANNING,
            registry=self._registry,
        )
        self._finding = Histogram(
            "vmpath_path_finding_seconds",
            "How long the path finder took for a plan.",
            buckets=_PLANNING,
            registry=self._registry,
        )
        self._moving = Histogram(
            "vmpath_migration_seconds",
            "From the intention to the end of a migration, by what became of it.",
            ("outcome",),
            buckets=_MIGRATIONS,
            registry=self._registry,
        )
        self._requests = Histogram(
            "vmpath_cloud_request_seconds",
            "How long requests to the cloud took until they were answered, or were not.",
            ("service", "method"),
            buckets=_LATENCIES,
            registry=self._registry,
        )
        self._answers = Counter(
            "vmpath_cloud_answers",
            "What the cloud answered: an HTTP status, or none.",
            ("service", "method", "status"),
            registry=self._registry,
        )
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._intended: dict[tuple[str, int], float] = {}

    def watch(self, tallies: Callable[[], Sequence[Tally]]) -> None:
        """Show from now on how it stands with these queues of notifications."""
        self._registry.register(_Queues(tallies))

    def collect(self) -> bytes:
        """All figures in Prometheus's text format; raises StoreError."""
        return generate_latest(self._registry)

    def happened(self, event: Event) -> None:
        """Count an event; of a plan and of a migration that has ended, take the time."""
        self._events.labels(event.kind).inc()
        identity = event.subject
        if identity is None:
            return
        if event.kind == _ASKED_FOR:
            with self._lock:
                if len(self._begun) >= _MOST_SEEN:
                    self._begun.clear()
                self._begun[identity] = event.at
        elif event.kind in _PLANNED:
            self._planned(identity, event.at)
        elif event.kind in _NOT_PLANNED:
            with self._lock:
                self._begun.pop(identity, None)
        elif event.kind == _REQUESTED and event.step is not None:
            with self._lock:
                if len(self._intended) >= _MOST_SEEN:
                    self._intended.clear()
                self._intended[identity, event.step] = event.at
        elif event.kind in _ENDED and event.step is not None:
            self._moved(identity, event.step, event)

    def _moved(self, identity: str, step: int, event: Event) -> None:
        with self._lock:
            intended = self._intended.pop((identity, step), None)
        if intended is None:
            # asked for before the service was started
            intended = self._store.migration(identity, step).intended_at
        if intended is not None:
            self._moving.labels(event.kind.partition(".")[2]).observe(event.at - intended)

    def _planned(self, identity: str, at: float) -> None:
        with self._lock:
            begun = self._begun.pop(identity, None)
        if begun is None:
            return  # approved or resumed later, it is the same plan
        self._planning.observe(at - begun)
        summary = self._store.get(identity).summary
        if summary is not None:
            self._finding.observe(float(summary["seconds"]))

    def asked(self, service: str, method: str, status: int | None, seconds: float) -> None:
        """Take the time of a request to the cloud."""
        self._requests.labels(service, method).observe(seconds)
        self._answers.labels(service, method, "none" if status is None else str(status)).inc()


class _Queues(Collector):
    """What is on its way to hooks and to the message broker."""

    def __init__(self, tallies: Callable[[], Sequence[Tally]]) -> None:
        self._tallies = tallies

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "vmpath_notifications_waiting", "Notifications that wait, by queue.", labels=["queue"]
        )
        delivered = CounterMetricFamily(
            "vmpath_notifications_delivered", "Notifications handed over, by queue.", labels=["queue"]
        )
        dropped = CounterMetricFamily(
            "vmpath_notifications_dropped", "Notifications dropped as the queue was full.", labels=["queue"]
        )
        for tally in self._tallies():
            waiting.add_metric([tally.name], tally.waiting)
            delivered.add_metric([tally.name], tally.delivered)
            dropped.add_metric([tally.name], tally.dropped)
        yield from (waiting, delivered, dropped)


class _Records(Collector):
    """What is in the database, counted when it is asked for."""

    def __init__(self, store: SqlStore, maintenances: Documents[Maintenance]) -> None:
        self._store = store
        self._maintenances = maintenances

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: registering must not ask the database."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        tallies = self._store.tallies()
        going = GaugeMetricFamily("vmpath_rearrangements", "Rearrangements by state.", labels=["state"])
        for state in RearrangementState:
            going.add_metric([state.value], tallies.rearrangements.get(state.value, 0))
        yield going
        moved = GaugeMetricFamily("vmpath_migrations", "Migrations by state.", labels=["state"])
        for each in MigrationState:
            moved.add_metric([each.value], tallies.migrations.get(each.value, 0))
        yield moved
        kept = GaugeMetricFamily("vmpath_maintenances", "Maintenances by state.", labels=["state"])
        found = [record.state for record in self._maintenances.list()]
        for stage in MaintenanceState:
            kept.add_metric([stage.value], found.count(stage))
        yield kept
        frozen = GaugeMetricFamily("vmpath_frozen", "1 while everything is frozen.")
        frozen.add_metric([], 0 if self._store.frozen() is None else 1)
        yield frozen
