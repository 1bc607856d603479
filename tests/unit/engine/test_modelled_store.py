import pytest

from tests.contracts.store_contract import StoreContract
from tests.modelled.store import MemoryStore


class TestMemoryStore(StoreContract):
    """What walks are tested on refuses what the database refuses."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
