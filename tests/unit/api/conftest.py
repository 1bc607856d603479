"""The API over a real database and an engine that only notes what it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import falcon.testing
import msgspec
import pytest
from oslo_config import cfg

from vmpath_service.api import application
from vmpath_service.api.access import Access, FullAccess
from vmpath_service.api.callers import Authentication, NoAuthentication
from vmpath_service.api.healthcheck import Check
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
                "disabled_reason": None,
                "availability_zone": None,
                "aggregates": [],
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
                "task_state": None,
                "project_id": None,
                "flavor": None,
                "locked": False,
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
def oslo(tmp_path: Path) -> Iterator[cfg.ConfigOpts]:
    options = cfg.ConfigOpts()
    options(["--config-dir", str(tmp_path)], project="vmpath", default_config_files=[])
    yield options
    options.clear()


@pytest.fixture
def client(engine: NotingEngine) -> falcon.testing.TestClient:
    def check() -> None:
        if isinstance(engine.failure, VmpathError):
            raise StoreError(str(engine.failure))

    return falcon.testing.TestClient(
        application.make(parts(engine, {"database": check})), headers={"Host": "127.0.0.1:9817"}
    )


def parts(
    engine: NotingEngine,
    checks: Mapping[str, Check] = MappingProxyType({}),
    authentication: Authentication | None = None,
    access: Access | None = None,
) -> application.Parts:
    """An API over the engine; with nothing said, for programs on this machine."""
    return application.Parts(
        engine, engine.store, checks, authentication or NoAuthentication(), access or FullAccess(), threading.Event()
    )
