"""Run by alembic on the connection that ``Database.upgrade`` hands over."""

from alembic import context

from vmpath_service.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
