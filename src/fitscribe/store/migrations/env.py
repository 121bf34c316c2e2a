"""What Alembic runs a migration in: the connection and the transaction that `schema` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
