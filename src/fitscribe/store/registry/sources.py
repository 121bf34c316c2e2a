"""Where a version comes from: a folder of a run, another version, a logged model, or an object store.

A server would read the files that a source names for whoever asks, so that a path on its disk must lie in the folder of
the run that is named with it. An embedded store is asked by the owner of its disk alone, who may register any folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, Row

from fitscribe.store import places, runs
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, required, text
from fitscribe.store.logged import models as logged_models
from fitscribe.store.refusal import Refusal, invalid
from fitscribe.store.registry.rows import STAGES, VERSION, find_model, find_version
from fitscribe.store.registry.tables import model_aliases, model_versions

__all__ = ["Given", "location", "read", "settled"]

REFUSED = ("http", "https", "ftp", "sftp")
MODEL = re.compile(r"models:/+(?P<name>[^/@]+)(?:/(?P<suffix>[^/@]+)|@(?P<alias>[^/@]+))")
LOGGED = re.compile(r"models:/+(?P<id>m-[^/@]+)")


class Given(NamedTuple):
    """What a request says of a version's origin; a run or model that it does not name is None."""

    source: str
    run_id: str | None
    model_id: str | None

    @property
    def scheme(self) -> str:
        """The scheme of the source; empty for a path."""
        found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", self.source)
        return found[1].lower() if found else ""

    def wrong(self, hint: str) -> Refusal:
        """Return the refusal of this source."""
        return invalid(f"Invalid model version source: '{self.source}'. {hint}")

    def astray(self, name: str) -> Refusal:
        """Return the refusal of a source outside of what the field `name` names."""
        return self.wrong(f"The {name} request parameter must identify the resource that contains the source.")


def read(body: Body) -> Given:
    """Return what a request says. `Refusal`: no version can come from there."""
    run_id, model_id = (text(body, name) if body.get(name) is not None else None for name in ("run_id", "model_id"))
    given = Given(required(body, "source"), run_id, model_id)
    if given.scheme in REFUSED:
        raise given.wrong(f"Files cannot be read from {given.scheme}: by this store.")
    if "\0" in given.source or ".." in re.split(r"[/\\]", _plain(given.source)):
        raise given.wrong("The path must be absolute, without '..'.")
    return given


def _plain(word: str) -> str:
    while (plain := unquote(word)) != word:
        word = plain
    return word


def settled(database: Database, connection: Connection, given: Given) -> dict[str, Any]:
    """Return the columns for a version's origin. `Refusal`: the source is not there, or not what was named with it."""
    row: dict[str, Any] = {"source": given.source, "run_id": given.run_id or "", "model_id": given.model_id or ""}
    row |= {"ours": False, "location": None}
    if given.scheme == "models":
        return row | _of_models(database, connection, given)
    if given.scheme == "runs":
        if urlsplit(given.source).path.strip("/").partition("/")[0] != given.run_id:
            raise given.astray("run_id")
    elif given.scheme == "mlflow-artifacts":
        if not given.run_id or f"/{given.run_id}/artifacts/" not in f"{urlsplit(given.source).path}/":
            raise given.astray("run_id")
    elif given.scheme in ("", "file"):
        return row | _of_disk(database, connection, given)
    return row


def _of_disk(database: Database, connection: Connection, given: Given) -> dict[str, Any]:
    """Return the columns for a folder of this machine."""
    folder = places.folder(given.source) if given.scheme else Path(given.source)
    if folder is None:
        raise given.wrong("It is no path.")
    real = Path(os.path.realpath(folder if folder.is_absolute() else Path(os.path.abspath(folder))))
    home = Path(os.path.realpath(database.artifacts))
    if not database.local:
        _check_inside(database, connection, given, real)
    if real.is_relative_to(home) and real != home:
        return {"source": real.as_uri().removeprefix(f"{home.as_uri()}/"), "ours": True}
    return {"source": real.as_uri() if not given.scheme else given.source}


def _model(connection: Connection, given: Given) -> Row[Any]:
    """Return the row of the logged model that a request names."""
    try:
        return logged_models.find(connection, given.model_id or "")
    except Refusal:
        raise given.astray("model_id") from None


def _check_inside(database: Database, connection: Connection, given: Given, real: Path) -> None:
    if given.model_id:
        own = places.folder(logged_models.folder_uri(database, _model(connection, given)))
        if own is None or not real.is_relative_to(os.path.realpath(own)):
            raise given.astray("model_id")
        return
    if not given.run_id:
        raise given.wrong(
            "To use a local path as a model version source, the run_id request parameter has to be specified and the "
            "local path has to be contained within the artifact directory of the run specified by the run_id."
        )
    try:
        run = runs.find(connection, given.run_id)
    except Refusal:
        raise given.astray("run_id") from None
    root = places.folder(places.run_uri(database.artifacts, run.experiment, run.artifact_location, run.run_id))
    if root is None or not real.is_relative_to(os.path.realpath(root)):
        raise given.astray("run_id")


def _of_models(database: Database, connection: Connection, given: Given) -> dict[str, Any]:
    """Return the columns for a copy of a version, or for a logged model."""
    logged = LOGGED.fullmatch(given.source)
    if logged:
        if logged["id"] != given.model_id:
            raise given.astray("model_id")
        return {"run_id": given.run_id or _model(connection, given).source_run_id}
    named = MODEL.fullmatch(given.source)
    if not named:
        raise given.wrong("Write models:/<name>/<version>, models:/<name>@<alias> or models:/<model_id>.")
    row = _version(connection, unquote(named["name"]), named["suffix"] or "", named["alias"] or "", given)
    for mine, theirs in ((given.run_id, row.run_id), (given.model_id, row.model_id)):
        if mine is not None and mine != theirs:
            raise given.wrong("The run_id and model_id request parameters must match the referenced model version.")
    ids = {"run_id": row.run_id, "model_id": row.model_id}
    return {**ids, "source": f"models:/{row.name}/{row.version}", "location": _kept(row)}


def _version(connection: Connection, name: str, suffix: str, alias: str, given: Given) -> Row[Any]:
    """Return the row of the version that a URI names by number, stage, alias, or as the latest."""
    if suffix.isascii() and suffix.isdigit():
        return find_version(connection, name, int(suffix[:18]))
    model = find_model(connection, name).id
    query = VERSION.where(model_versions.c.model == model)
    if alias:
        query = query.join(model_aliases, model_aliases.c.version == model_versions.c.id)
        query = query.where(model_aliases.c.alias == alias)
    elif suffix.lower() != "latest":
        stage = next((each for each in STAGES if each.lower() == suffix.lower()), "")
        query = query.where(model_versions.c.stage == stage)
    found = connection.execute(query.order_by(model_versions.c.version.desc())).first()
    if found is None:
        raise given.wrong("There is no such version.")
    return found


HOME = "home:"
"""What a location begins with that lies below the store's own folder of artifacts."""


def _kept(row: Row[Any]) -> str:
    return str(row.location or (HOME + row.source if row.ours else row.source))


def location(database: Database, connection: Connection, row: Row[Any]) -> str:
    """Return the URI of a version's files, by a row of `rows.VERSION`. `Refusal`: its logged model is gone."""
    kept = _kept(row)
    if kept.startswith(HOME):
        return f"{database.artifacts.as_uri()}/{kept.removeprefix(HOME)}"
    if logged := LOGGED.fullmatch(kept):
        return logged_models.folder_uri(database, logged_models.find(connection, logged["id"]))
    return kept
