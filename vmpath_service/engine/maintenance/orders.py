"""The engine's rearrangements as maintenances and schedules need them."""

from __future__ import annotations

from typing import Protocol

from vmpath_service.engine.ports import Store, Within, just_made
from vmpath_service.model.records import Rearrangement, Request


class Engine(Protocol):
    """Who takes orders; every method raises VmpathError."""

    def create(self, request: Request, within: Within = just_made) -> Rearrangement: ...
    def cancel(self, identity: str) -> Rearrangement: ...
    def delete(self, identity: str) -> None: ...


class EngineRearrangements:
    """Orders to the engine, and looks into its database."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def create(self, request: Request, within: Within = just_made) -> Rearrangement:
        """Begin one, made by ``within``."""
        return self._engine.create(request, within)

    def show(self, identity: str) -> Rearrangement:
        """One as it stands; raises NotFound."""
        return self._store.get(identity)

    def cancel(self, identity: str) -> Rearrangement:
        """Let nothing more of it start."""
        return self._engine.cancel(identity)

    def delete(self, identity: str) -> None:
        """Forget one that has ended."""
        self._engine.delete(identity)
