"""Columns and constraints as migrations write them, under the names that `tables.metadata` gives."""

import sqlalchemy as sa
from alembic import op

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create(name: str, *parts: sa.schema.SchemaItem, key: tuple[str, ...] = ("id",), **options: bool) -> sa.Table:
    """Make a table with its primary key."""
    return op.create_table(name, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), **options)


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """Return a column of text."""
    return sa.Column(name, sa.Text, nullable=nullable)


def big(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """Return a column of whole numbers of 64 bits."""
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def identity() -> sa.Column[int]:
    """Return the column of a row's own number."""
    return sa.Column("id", Number, nullable=False)


def owner(table: str, name: str, there: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    """Return the column that says whose a row is."""
    reference = sa.ForeignKeyConstraint([name], [f"{there}.id"], name=f"fk_{table}_{name}_{there}")
    return sa.Column(name, Number, nullable=False), reference


def unique(table: str, *columns: str) -> sa.UniqueConstraint:
    """Return the constraint that no two rows have the same in these columns."""
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")
