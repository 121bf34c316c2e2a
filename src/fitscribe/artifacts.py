"""Artifacts under MLflow's names: where a run's files are, which there are, and how to get them."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fitscribe.client import Client
from fitscribe.entities import FileInfo
from fitscribe.errors import MisuseError

__all__ = ["download_artifacts", "get_artifact_uri", "list_artifacts", "load_dict", "load_image", "load_text"]


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Return the URI of the current run's artifacts, or of one of them."""
    from fitscribe.fluent import by_id_or_current

    root = str(by_id_or_current().info.artifact_uri).rstrip("/")
    path = (artifact_path or "").strip("/")
    return f"{root}/{quote(path) if root.startswith('file:') else path}" if path else root


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """Return the files and folders directly under a path of a run; none where there is nothing.

    `artifact_uri` is `runs:/<run id>/<path>`, or `run.info.artifact_uri` with a path below it. `MisuseError`: not
    exactly one of `artifact_uri` and `run_id`. `NotFoundError`: there is no such run.
    """
    found, path = _address(artifact_uri, run_id, artifact_path)
    return Client(tracking_uri).list_artifacts(found, path)


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Return a local path of a file or folder of a run; of an embedded store that is the stored file itself.

    With `dst_path` it is copied into that folder. The address is as for `list_artifacts`. `NotFoundError`: there is
    no such run or file.
    """
    found, path = _address(artifact_uri, run_id, artifact_path)
    return Client(tracking_uri, registry_uri).download_artifacts(found, path, dst_path)


def load_text(artifact_uri: str) -> str:
    """Return the text of a file. `MisuseError`: it is not UTF-8."""
    try:
        return _content(artifact_uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MisuseError(f"{artifact_uri} is no UTF-8 text ({error}); download_artifacts gives the file") from None


def load_dict(artifact_uri: str) -> Any:
    """Return what a JSON file holds, or a YAML file where the name ends in .yaml or .yml. `MisuseError`: neither."""
    text = load_text(artifact_uri)
    if artifact_uri.endswith((".yaml", ".yml")):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise MisuseError(f"{artifact_uri} is no YAML: {error}") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise MisuseError(f"{artifact_uri} is no JSON: {error}") from None


def load_image(artifact_uri: str) -> Any:
    """Return an image file as a Pillow image. `MisuseError`: Pillow is missing."""
    try:
        from PIL import Image
    except ImportError:
        raise MisuseError("load_image needs Pillow: pip install pillow, or use download_artifacts") from None
    image = Image.open(io.BytesIO(_content(artifact_uri)))
    image.load()
    return image


def _content(artifact_uri: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fitscribe-") as folder:
        return Path(download_artifacts(artifact_uri, dst_path=folder)).read_bytes()


def _address(uri: str | None, run_id: str | None, path: str | None) -> tuple[str, str]:
    if (uri is None) == (run_id is None):
        raise MisuseError(f"give either artifact_uri or run_id, with artifact_path; got {uri!r} and {run_id!r}")
    if uri is None:
        return str(run_id), path or ""
    if path is not None:
        raise MisuseError(f"artifact_path goes with run_id; append it to the artifact_uri {uri!r} instead")
    return _of_runs(uri) if uri.startswith("runs:") else _of_folder(uri)


def _of_runs(uri: str) -> tuple[str, str]:
    run_id, _, path = uri.removeprefix("runs:").strip("/").partition("/")
    if not run_id:
        raise MisuseError(f"the artifact URI {uri!r} names no run; write runs:/<run id>/<path>")
    return run_id, path


def _of_folder(uri: str) -> tuple[str, str]:
    """Read the address that `run.info.artifact_uri` gives, with a path below it."""
    scheme = re.match(r"[a-z][a-z0-9+-]+(?=:)", uri)  # of one letter it is a drive
    found = re.search(r"[/\\]([0-9a-f]{32})[/\\]artifacts(?:[/\\](.*))?$", uri)
    if not found:
        raise MisuseError(f"{uri!r} is no artifact address of a run; write runs:/<run id>/<path>")
    path = found[2] or ""
    return found[1], unquote(path) if scheme and scheme[0] == "file" else path
