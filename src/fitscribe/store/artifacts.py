"""Artifacts of runs and models: files taken in whole, handed out, listed and removed, each below its folder alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select

from fitscribe.store import artifactpaths, places, runs
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, identifier_of, run_id_of, text
from fitscribe.store.listing import listing
from fitscribe.store.logged.tables import logged_models
from fitscribe.store.refusal import Refusal, invalid, missing, unserved
from fitscribe.store.tables import experiments
from fitscribe.store.tables import runs as run_table

__all__ = ["delete", "get", "list_folder", "list_run", "listed_at", "put"]

MODELS = "models"  # the folder of an experiment's logged models, among those of its runs
TRIES = 20  # to begin a file in a folder that others may remove
UNFINISHED = ".unfinished"
"""The folder, next to the runs' own, in which a file grows until it is whole."""


class Target(NamedTuple):
    """A path below the artifacts of a run or a logged model."""

    root: Path  # of the run or model
    above: Path  # of the runs of the experiment
    parts: list[str]

    @property
    def file(self) -> Path:
        """The file or folder itself. `Refusal`: a link on the way leads out of the run's folder."""
        return artifactpaths.inside(self.root, self.parts)

    @property
    def path(self) -> str:
        """The path as the user knows it."""
        return "/".join(self.parts)


def put(database: Database, path: str, body: bytes | Path) -> bytes:
    """Take a file in; a Path stays the caller's. Readers see the old file or the whole new one."""
    target = _target(database, path)
    if not target.parts:
        raise invalid(f"Invalid path: {path!r} names the run's folder; name a file in it")
    file = target.file
    unfinished = target.above / UNFINISHED / uuid.uuid4().hex
    try:
        _fill(unfinished, body)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise invalid(f"Cannot store {target.path!r}: it is a folder of artifacts")
        os.replace(unfinished, file)
    except (NotADirectoryError, FileExistsError):
        raise invalid(f"Cannot store {target.path!r}: a part of this path is a file already") from None
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        with contextlib.suppress(OSError):
            unfinished.parent.rmdir()
    return b""


def _fill(unfinished: Path, body: bytes | Path) -> None:
    for tries in range(TRIES, 0, -1):
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        try:
            if isinstance(body, bytes):
                unfinished.write_bytes(body)
            else:
                shutil.copyfile(body, unfinished)  # as a clone of its blocks where file system and Python can
            return
        except FileNotFoundError:  # whoever finished last took the empty folder away in between
            if tries == 1 or (isinstance(body, Path) and not body.exists()):
                raise


def get(database: Database, path: str) -> Path:
    """Return the file to hand out. `Refusal`: it is not there, or is a folder."""
    target = _target(database, path)
    file = target.file
    if file.is_dir():
        raise invalid(f"{target.path!r} is a folder of artifacts; list it and get its files")
    if not file.is_file():
        raise missing(f"No such artifact: {target.path!r}")
    return file


def delete(database: Database, path: str) -> dict[str, Any]:
    """Remove a file or a folder with all that is in it; what is not there is gone already."""
    try:
        file = _target(database, path).file
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        return {}
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            file.unlink()
    return {}


def list_folder(database: Database, body: Body) -> dict[str, Any]:
    """Answer the listing of mlflow-artifacts: names without folders; a missing run or folder has none."""
    try:
        target = _target(database, text(body, "path"))
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        return {}
    files = listing(target.root, target.file, "")
    return {"files": files} if files else {}


def list_run(database: Database, body: Body) -> dict[str, Any]:
    """Answer artifacts/list: paths from the run's own folder on."""
    run_id, parts = run_id_of(body), artifactpaths.segments(text(body, "path"))
    with database.reading() as connection:
        row = runs.find(connection, run_id)
    uri = places.run_uri(database.artifacts, row.experiment, row.artifact_location, row.run_id)
    return listed_at(uri, parts)


def listed_at(uri: str, parts: list[str]) -> dict[str, Any]:
    """Return what lies at a path below the folder that a URI names, with paths from there on."""
    root = _folder(uri)
    files = listing(root, artifactpaths.inside(root, parts), "".join(f"{part}/" for part in parts))
    return {"root_uri": uri, **({"files": files} if files else {})}


def _target(database: Database, path: str) -> Target:
    """Find the folder of a run's or a model's artifacts. `Refusal`: there is no such run or model.

    `<experiment_id>/<run_id>/artifacts/<path>`, or `<experiment_id>/models/<model_id>/artifacts/<path>`.
    """
    parts = artifactpaths.segments(path)
    of_model = len(parts) > 3 and parts[1] == MODELS and parts[3] == "artifacts"
    if not of_model and (len(parts) < 3 or parts[2] != "artifacts"):
        raise invalid(f"Invalid path: {path!r}. Write <experiment_id>/<run_id>/artifacts/<path>")
    experiment, owner = identifier_of("path", parts[0]), parts[2] if of_model else parts[1]
    table, column = (logged_models, logged_models.c.model_id) if of_model else (run_table, run_table.c.run_id)
    query = select(column, experiments.c.artifact_location).join_from(table, experiments)
    with database.reading() as connection:
        row = connection.execute(query.where(column == owner, table.c.experiment == experiment)).one_or_none()
    if row is None:
        raise missing(f"{'Model' if of_model else 'Run'} with id={owner} not found in experiment {experiment}")
    above = _folder(places.experiment_uri(database.artifacts, experiment, row.artifact_location))
    below = [MODELS, owner] if of_model else [owner]
    return Target(above.joinpath(*below, "artifacts"), above, parts[len(below) + 2 :])


def _folder(uri: str) -> Path:
    found = places.folder(uri)
    if found is None:
        raise unserved(f"The artifacts of this run lie in {uri}, which this store does not serve; go there directly")
    return found
