"""Alembic's environment, run by it for every upgrade: on the connection it is handed, nothing else."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
