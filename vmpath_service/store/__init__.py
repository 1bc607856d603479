"""The database: rearrangements, their plans, migrations and intentions, events, the freeze.

``Database`` is the connection and the schema; ``SqlStore`` is what the engine and the API talk to.
"""

from vmpath_service.store.database import Database
from vmpath_service.store.sql_store import SqlStore

__all__ = ["Database", "SqlStore"]
