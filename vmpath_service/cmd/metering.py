"""What is counted and measured while the service runs, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from vmpath_service.model.maintenances import Maintenance, MaintenanceState
from vmpath_service.model.records import Event, MigrationState, RearrangementState
from vmpath_service.notifier.announcer import Tally
from vmpath_service.store import SqlStore
from vmpath_service.store.documents import Documents

_LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PLANNING = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_MOST_SEEN = 10_000
_PLANNED = frozenset(("rearrangement.planned", "rearrangement.awaiting_approval", "rearrangement.running"))


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
            "How long the path finder took for a plan.",
            buckets=_PLANNING,
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
        self._seen: set[str] = set()

    def watch(self, tallies: Callable[[], Sequence[Tally]]) -> None:
        """Show from now on how it stands with these queues of notifications."""
        self._registry.register(_Queues(tallies))

    def collect(self) -> bytes:
        """All figures in Prometheus's text format; raises StoreError."""
        return generate_latest(self._registry)

    def happened(self, event: Event) -> None:
        """Count an event; of a plan, take its time."""
        self._events.labels(event.kind).inc()
        identity = event.subject
        if event.kind not in _PLANNED or identity is None or identity in self._seen:
            return
        # approved or resumed later, it is the same plan
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(identity)
        summary = self._store.get(identity).summary
        if summary is not None:
            self._planning.observe(float(summary["seconds"]))

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
        took = SummaryMetricFamily(
            "vmpath_migration_seconds", "From the intention to the end of a migration.", labels=["state"]
        )
        for each in MigrationState:
            count, seconds = tallies.migrations.get(each.value, (0, 0.0))
            moved.add_metric([each.value], count)
            if each in (MigrationState.DONE, MigrationState.FAILED):
                took.add_metric([each.value], count_value=count, sum_value=seconds)
        yield moved
        yield took
        kept = GaugeMetricFamily("vmpath_maintenances", "Maintenances by state.", labels=["state"])
        found = [record.state for record in self._maintenances.list()]
        for stage in MaintenanceState:
            kept.add_metric([stage.value], found.count(stage))
        yield kept
        frozen = GaugeMetricFamily("vmpath_frozen", "1 while everything is frozen.")
        frozen.add_metric([], 0 if self._store.frozen() is None else 1)
        yield frozen
