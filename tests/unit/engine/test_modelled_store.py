import pytest
from modelled.store import MemoryStore

from tests.contracts.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    """What walks are tested on refuses what the database refuses."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
