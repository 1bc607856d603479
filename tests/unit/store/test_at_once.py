"""What is read in one transaction."""

from __future__ import annotations

import pytest

from vmpath_service.model.records import Request
from vmpath_service.store import SqlStore


def test_nothing_is_written_while_reading_at_once(store: SqlStore) -> None:
    with store.at_once(), store.at_once():
        assert store.frozen() is None
        with pytest.raises(TypeError, match="at_once"):
            store.create(Request("drain"))
        assert store.list() == []
    made = store.create(Request("drain"))
    with store.at_once():
        assert store.get(made.id) == made
