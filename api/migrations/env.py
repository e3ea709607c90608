"""Alembic's entry: the connection comes from `run.py`, or from the settings on the command line."""

from alembic import context

from api.migrations.run import all_metadata, is_modelled

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=all_metadata(),
    include_object=is_modelled,
    render_as_batch=True,
    compare_type=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
