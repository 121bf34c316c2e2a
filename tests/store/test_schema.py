"""The schema: what the migrations make is what the tables say."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from fitscribe.store import Store, migrations, schema
from fitscribe.store.tables import metadata


@pytest.fixture
def file(store, new_run, folder) -> Path:
    new_run()
    store.close()
    return folder / "fitscribe.db"


def test_the_migrations_make_the_tables(file):
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        inspector = inspect(connection)
        for table in metadata.sorted_tables:
            assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [
                column.name for column in table.primary_key.columns
            ]
    engine.dispose()


def statements(file: str) -> dict[str, str]:
    connection = sqlite3.connect(file)
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE name != 'alembic_version'"))
    connection.close()
    return {name: " ".join((sql or "").split()) for name, sql in found.items()}


def test_the_migrations_make_them_with_the_same_options(file, tmp_path):
    direct = tmp_path / "direct.db"
    engine = create_engine(f"sqlite:///{direct}")
    metadata.create_all(engine)
    engine.dispose()
    migrated, made = statements(str(file)), statements(str(direct))
    migrated.pop("sqlite_autoindex_alembic_version_1")
    assert set(migrated) == set(made)
    for option in ("WITHOUT ROWID", "AUTOINCREMENT", "DESC"):
        assert {name for name in made if option in made[name]} == {
            name for name in migrated if option in migrated[name]
        }


def test_every_version_has_its_migration():
    config = Config()
    config.set_main_option("script_location", "fitscribe.store:migrations")
    script = ScriptDirectory.from_config(config)
    assert tuple(each.revision for each in script.walk_revisions())[::-1] == schema.HISTORY
    assert script.get_heads() == [schema.HEAD]
    files = (Path(migrations.__file__).parent / "versions").glob("v*.py")
    assert sorted(file.name[1:5] for file in files) == list(schema.HISTORY)


def test_postgresql_could_have_the_same_tables():
    dialect = postgresql.dialect()
    words = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    words += [
        str(CreateIndex(index).compile(dialect=dialect)) for table in metadata.sorted_tables for index in table.indexes
    ]
    assert len(words) > len(metadata.tables)
    assert not any("ROWID" in each or "AUTOINCREMENT" in each for each in words)
    assert "BIGSERIAL" in words[0]


def test_a_store_of_a_newer_version_is_left_alone(file, folder):
    connection = sqlite3.connect(file)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    store = Store(folder)
    status, answer = store.handle("GET", "/api/2.0/mlflow/experiments/get", {"experiment_id": "0"})
    store.close()
    assert (status, answer["error_code"]) == (500, "INVALID_STATE")
    assert "written by a newer version of fitscribe (its schema is 9999" in answer["message"]
    assert file.read_bytes() == before


def test_alembic_is_imported_to_migrate_and_for_nothing_else(file, folder):
    script = (
        "from pathlib import Path; from fitscribe.store import Store; store = Store(Path(sys.argv[1]))\n"
        "status, _ = store.handle('GET', '/api/2.0/mlflow/experiments/get', {'experiment_id': '0'})\n"
        "store.close(); print(status, 'alembic' in sys.modules)"
    )

    def said(directory: Path) -> str:
        command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{script}", str(directory)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said(folder) == "200 False\n"
    assert said(folder.parent / "new") == "200 True\n"
