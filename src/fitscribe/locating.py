"""Where a model is: any model URI to a folder on this machine."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from fitscribe.client import Client
from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.reading.downloads import folder_at
from fitscribe.registering.addresses import logged_model_of
from fitscribe.transport.objectstores import showable

__all__ = ["Located", "keep", "locate", "located"]

DEEPEST = 8  # versions of models that are copies of versions of models


class Located(NamedTuple):
    """A folder with a model, or a file, and the temporary folder that was made for it, if one was."""

    folder: Path
    temporary: Path | None = None

    def forget(self) -> None:
        """Remove what was downloaded."""
        if self.temporary is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)


def locate(
    uri: str | Path,
    dst_path: str | Path | None = None,
    *,
    below: str = "",
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> Located:
    """Bring what a URI names, or only a file `below` it, to this machine: into `dst_path`, or a temporary folder.

    URIs: a path, `file:`, `runs:/<run id>/<path>`, `models:/<name>/<version, stage or latest>`,
    `models:/<name>@<alias>`, `models:/<model id>`, `mlflow-artifacts:`, and those of object stores. What is on this
    machine already is given as it lies, unless there is a `dst_path`. `NotFoundError`: there is nothing.
    """
    words = str(uri)
    local = _local(words)
    if local is not None:
        local = local / below
        if not local.exists():
            raise NotFoundError(f"there is nothing at {str(local)!r}")
        return Located(local if dst_path is None else _copied(local, Path(dst_path)))
    client = Client(tracking_uri, registry_uri)
    fetch = _remote(client, words, below, 0)
    embedded = client.endpoint.directory is not None
    fresh = Path(tempfile.mkdtemp(prefix="fitscribe-")) if dst_path is None and not embedded else None
    found = Located(Path(), fresh)
    done = False
    try:
        found = Located(Path(fetch(dst_path or fresh)), fresh)
        done = True
    finally:
        if not done:
            found.forget()
    return found


@contextmanager
def located(uri: str | Path, dst_path: str | Path | None = None) -> Iterator[Path]:
    """Give a folder with a model; what was downloaded for it alone goes when the block ends, unless into `dst_path`."""
    found = locate(uri, dst_path)
    try:
        yield found.folder
    finally:
        found.forget()


def keep(found: Located, model: Any) -> None:
    """Let what was downloaded stay as long as a model that may read it later, and at most until the process ends."""
    if found.temporary is not None:
        weakref.finalize(model, found.forget)


def _local(words: str) -> Path | None:
    """Return the path that a URI of this machine names; None for any other."""
    if words.startswith("file:"):
        path = unquote(urlsplit(words).path)
        return Path(path[1:] if re.match(r"/[A-Za-z]:", path) else path)
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", words)  # of one letter it is a drive
    return None if scheme else Path(words).expanduser()


def _copied(source: Path, target: Path) -> Path:
    place = target / source.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, place)
    return place


def _remote(client: Client, uri: str, below: str, depth: int) -> Callable[[str | Path | None], str | Path]:
    """Return what brings the files that a URI names into a folder."""
    if depth > DEEPEST:
        raise MisuseError(f"{uri!r} is a version of a model that is a version of itself")
    if uri.startswith("runs:"):
        run_id, _, path = uri.removeprefix("runs:").strip("/").partition("/")
        if not run_id:
            raise MisuseError(f"the URI {uri!r} names no run; write runs:/<run id>/<path>")
        return partial(client.download_artifacts, run_id, _joined(path, below))
    if uri.startswith("models:"):
        first, _, path = uri.removeprefix("models:").strip("/").partition("/")
        if model_id := logged_model_of(f"models:/{first}"):
            return partial(client.download_logged_model_artifacts, model_id, _joined(path, below))
        version = client.model_version_at(uri)
        source = client.get_model_version_download_uri(version.name, version.version)
        return _remote(client, source, below, depth + 1)
    root, _, name = uri.rstrip("/").rpartition("/")
    if not root or root.endswith((":", ":/")):
        raise MisuseError(f"{uri!r} is no model URI; write runs:/<run id>/<path>, models:/<name>/<version> or a path")
    named = unquote(name) if uri.startswith(("mlflow-artifacts:", "file:")) else name
    return partial(folder_at(client.endpoint, root, showable(root)).download, _joined(named, below))


def _joined(path: str, below: str) -> str:
    return f"{path}/{below}".strip("/")
