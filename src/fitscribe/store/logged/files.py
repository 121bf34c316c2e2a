"""The files of logged models, listed and handed out under the model's id."""

from __future__ import annotations

from typing import Any

from fitscribe.store import artifactpaths, artifacts
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, required, text
from fitscribe.store.logged.models import find, folder_uri

__all__ = ["content", "listed"]


def listed(database: Database, body: Body) -> dict[str, Any]:
    """Answer with the files and folders at a path of a model, from the model's own folder on."""
    parts = artifactpaths.segments(text(body, "artifact_directory_path"))
    with database.reading() as connection:
        row = find(connection, required(body, "model_id"))
    return artifacts.listed_at(folder_uri(database, row), parts)


def content(database: Database, body: Body) -> Any:
    """Answer with a file of a model."""
    path = required(body, "artifact_file_path")
    with database.reading() as connection:
        row = find(connection, required(body, "model_id"))
    return artifacts.get(database, f"{row.experiment}/{artifacts.MODELS}/{row.model_id}/artifacts/{path}")
