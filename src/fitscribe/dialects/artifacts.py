"""Where the artifacts of a run go, by its artifact URI: the server's own route, a folder, or an object store."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from fitscribe.errors import ServerError, TransportError
from fitscribe.transport.objectstores import showable

__all__ = ["ROUTE", "InStore", "copied", "loopback", "place", "stored", "unreachable"]

ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


class InStore(NamedTuple):
    """An artifact of an object store: the URI of the run's folder there, and the path below it."""

    root: str
    path: str


def place(uri: str, root: str, path: str, depth: int = 0) -> str | Path | InStore:
    """Return the path of the PUT request for the artifact `path` of a run at `root`, or the file to copy to.

    `uri` is the tracking URI; `root` is that of something else that lies `depth` folders deeper than a run.
    `ServerError`: from here nothing can be written there, and what to do about it.
    """
    checked = _checked(path)
    parts = urlsplit(root)
    if parts.scheme == "mlflow-artifacts":
        if parts.netloc and parts.netloc != urlsplit(uri).netloc:
            raise unreachable(root, "is on another server than the tracking URI")
        return "/".join([ROUTE, *map(_quoted, [*parts.path.strip("/").split("/"), *checked])])
    if parts.scheme in ("", "file") or len(parts.scheme) == 1:  # C:\ is no scheme
        return _folder(uri, root, parts.scheme, depth).joinpath(*checked)
    if parts.scheme in ("http", "https", "runs", "models"):
        raise unreachable(root, f"is at {parts.scheme}:, where no run's files can be written")
    return InStore(root, "/".join(checked))


def stored(experiment: str, theirs: str, path: str) -> str:
    """Return the path of the PUT request for an artifact of a run, or a model, in an embedded store."""
    return "/".join([ROUTE, *map(_quoted, [*experiment.split("/"), theirs, "artifacts", *_checked(path)])])


def copied(file: Path | bytes, target: Path) -> None:
    """Write an artifact to a folder that this machine shares with the server; all of it, or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        if isinstance(file, bytes):
            unfinished.write_bytes(file)
        else:
            shutil.copyfile(file, unfinished)
        size = len(file) if isinstance(file, bytes) else file.stat().st_size
        if unfinished.stat().st_size != size:
            raise TransportError(f"{target} has {unfinished.stat().st_size} of {size} bytes after it was copied")
        os.replace(unfinished, target)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def _checked(path: str) -> list[str]:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        raise ServerError(400, "INVALID_PARAMETER_VALUE", f"the artifact path {path!r} leaves the run's folder")
    return list(parts)


def _quoted(segment: str) -> str:
    return quote(segment, safe="")


def _folder(uri: str, root: str, scheme: str, depth: int) -> Path:
    """Return the folder that a bare path means here, which need not be the one that the server means."""
    if not root:
        raise unreachable(root, "is empty")
    folder = Path(unquote(urlsplit(root).path) if scheme == "file" else root)
    # <store>/<experiment>/<run>/artifacts, of which the first upload makes all but the store; that, too, on one machine
    above = [folder, *folder.parents][: (5 if loopback(uri) else 4) + depth]
    if not any(each.exists() for each in above if each != Path(folder.anchor)):
        raise unreachable(root, "is a folder that does not exist on this machine")
    return folder


def loopback(uri: str) -> bool:
    """True when the tracking URI names this machine, though perhaps a container on it."""
    host = urlsplit(uri).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def unreachable(root: str, why: str) -> ServerError:
    """Return the error for a run's artifact folder that cannot be written from here, with what to do."""
    return ServerError(
        400,
        "",
        f"the run's artifact folder {showable(root)!r} {why}; "
        "start the server with --serve-artifacts to take them itself",
    )
