"""The API over a real database and an engine that only notes what it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import falcon.testing
import msgspec
import pytest

from vmpath_service.api import application
from vmpath_service.model.errors import StoreError, VmpathError
from vmpath_service.model.options import Option
from vmpath_service.model.records import Freeze, Rearrangement, RearrangementState, Request
from vmpath_service.store import Database, SqlStore


class NotingEngine:
    """Writes into the store what an engine would, at once and without a cloud."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.failure: Exception | None = None
        self.known_hosts = [
            {
                "name": f"compute-{number:03}",
                "state": "up",
                "status": "enabled",
                "availability_zone": None,
                "instances": 1,
                "capacity": {"MEMORY_MB": 4096},
                "used": {"MEMORY_MB": 1024},
                "why_not": None,
            }
            for number in range(1, 8)
        ]
        self.known_instances = [
            {
                "uuid": f"i-{number}",
                "name": "twin" if number > 3 else f"web-{number}",
                "host": "compute-001",
                "status": "ACTIVE",
                "resources": {"MEMORY_MB": 1024},
                "movable": "live",
                "why_not": None,
            }
            for number in range(1, 6)
        ]

    def request(self, policy: str) -> Request:
        return Request(policy=policy)

    def _look(self) -> None:
        if self.failure is not None:
            raise self.failure

    def policies(self) -> list[dict[str, Any]]:
        self._look()
        option = Option("max_migrations", "integer", "At most this many.", minimum=1)
        return [
            {
                "name": name,
                "driver": name,
                "approval": "manual",
                "summary": "Does what it is called.",
                "options": [msgspec.to_builtins(option)],
                "settings": {"max_migrations": None},
            }
            for name in ("consolidate", "drain")
        ]

    def hosts(self) -> list[dict[str, Any]]:
        self._look()
        return self.known_hosts

    def instances(self) -> list[dict[str, Any]]:
        self._look()
        return self.known_instances

    def create(self, request: Request) -> Rearrangement:
        self._look()
        return self.store.create(request)

    def approve(self, identity: str) -> Rearrangement:
        return self._change(identity, RearrangementState.RUNNING)

    def pause(self, identity: str) -> Rearrangement:
        return self._change(identity, RearrangementState.PAUSED)

    proceed = approve

    def cancel(self, identity: str) -> Rearrangement:
        return self._change(identity, RearrangementState.CANCELLED)

    def delete(self, identity: str) -> None:
        self.store.delete(identity)

    def freeze(self, reason: str, by: str) -> Freeze:
        return self.store.freeze(reason, by)

    def thaw(self) -> None:
        self.store.thaw()

    def _change(self, identity: str, state: RearrangementState) -> Rearrangement:
        return self.store.change(identity, self.store.get(identity).epoch, state=state)


@pytest.fixture
def engine(empty_database: Path) -> Iterator[NotingEngine]:
    database = Database(f"sqlite:///{empty_database}")
    yield NotingEngine(SqlStore(database, time))
    database.close()


@pytest.fixture
def client(engine: NotingEngine) -> falcon.testing.TestClient:
    def check() -> None:
        if isinstance(engine.failure, VmpathError):
            raise StoreError(str(engine.failure))

    app = application.make(engine, engine.store, {"database": check})
    return falcon.testing.TestClient(app, headers={"Host": "127.0.0.1:9817"})
