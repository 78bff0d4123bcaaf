"""Alembic's entry: run on the connection that `store.migrate` hands over."""

from alembic import context

from store.schema import Table

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Table.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
