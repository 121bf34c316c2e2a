"""Where artifacts lie: the URIs in answers, made from where the store lies today, and the folders behind them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from fitscribe.store.fields import wrong

__all__ = ["experiment_uri", "folder", "location", "model_uri", "run_uri"]

REFUSED = ("runs", "ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss")
DRIVE = re.compile(r"/[A-Za-z]:")


def location(value: str) -> str | None:
    """Return the URI to keep for an experiment's own `artifact_location`; None when it is to have none.

    A bare path becomes an absolute `file:` URI. `Refusal`: artifacts cannot lie there.
    """
    if not value:
        return None
    scheme = value.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", value) else ""
    parts = urlsplit(value) if scheme else urlsplit("")
    if scheme in REFUSED or (scheme == "mlflow-artifacts" and parts.netloc):
        raise wrong("artifact_location", value, f"artifacts cannot be kept in {scheme}: by an embedded store")
    if parts.fragment or parts.query or "\0" in value or ".." in re.split(r"[/\\]", unquote(value)):
        raise wrong("artifact_location", value, "it must be a plain path or URI, without '..', '?' and '#'")
    return value.rstrip("/") if scheme else Path(os.path.abspath(value)).as_uri()


def experiment_uri(home: Path, experiment: int, own: str | None) -> str:
    """Return the artifact location of an experiment; `home` is the store's own folder of artifacts."""
    return own or f"{home.as_uri()}/{experiment}"


def run_uri(home: Path, experiment: int, own: str | None, run_id: str) -> str:
    """Return the artifact URI of a run."""
    return f"{experiment_uri(home, experiment, own)}/{quote(run_id)}/artifacts"


def model_uri(home: Path, experiment: int, own: str | None, model_id: str) -> str:
    """Return the artifact URI of a logged model."""
    return f"{experiment_uri(home, experiment, own)}/models/{quote(model_id)}/artifacts"


def folder(uri: str) -> Path | None:
    """Return the folder that a `file:` URI names, or None for any other."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    if os.name == "nt" and DRIVE.match(path):  # file:///C:/folder
        path = path[1:]
    return Path(path)
