"""Where the artifacts of a run go, by its artifact URI: the server's own route, or a folder on this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from fitscribe.errors import ServerError

__all__ = ["copied", "place", "stored"]

ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


def place(uri: str, root: str, path: str) -> str | Path:
    """Return the path of the PUT request for the artifact `path` of a run at `root`, or the file to copy to.

    `uri` is the tracking URI. `ServerError`: from here nothing can be written there, and what to do about it.
    """
    checked = _checked(path)
    parts = urlsplit(root)
    if parts.scheme == "mlflow-artifacts":
        if parts.netloc and parts.netloc != urlsplit(uri).netloc:
            raise _unreachable(root, "is on another server than the tracking URI")
        return "/".join([ROUTE, *map(_quoted, [*parts.path.strip("/").split("/"), *checked])])
    if parts.scheme in ("", "file") or len(parts.scheme) == 1:  # C:\ is no scheme
        return _folder(uri, root, parts.scheme).joinpath(*checked)
    raise _unreachable(root, f"is in a store of {parts.scheme}:, which is not supported yet")


def stored(experiment: str, theirs: str, path: str) -> str:
    """Return the path of the PUT request for an artifact of a run in an embedded store."""
    return "/".join([ROUTE, *map(_quoted, [experiment, theirs, "artifacts", *_checked(path)])])


def copied(file: Path | bytes, target: Path) -> None:
    """Write an artifact to a folder that this machine shares with the server; all of it, or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    if isinstance(file, bytes):
        unfinished.write_bytes(file)
    else:
        shutil.copyfile(file, unfinished)
    os.replace(unfinished, target)


def _checked(path: str) -> list[str]:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        raise ServerError(400, "INVALID_PARAMETER_VALUE", f"the artifact path {path!r} leaves the run's folder")
    return list(parts)


def _quoted(segment: str) -> str:
    return quote(segment, safe="")


def _folder(uri: str, root: str, scheme: str) -> Path:
    """Trust a bare path only where it means the same to the server as to us."""
    if not root:
        raise _unreachable(root, "is empty")
    if not _loopback(urlsplit(uri).hostname or ""):
        raise _unreachable(root, "is a folder of the server's machine, and not reachable from here")
    folder = Path(unquote(urlsplit(root).path) if scheme == "file" else root)
    # <store>/<experiment>/<run>/artifacts, of which the first upload makes all but the store; a server in a
    # container answers on loopback too, and its folders are not here
    if not any(each.exists() for each in [folder, *folder.parents][:4] if each != Path(folder.anchor)):
        raise _unreachable(root, "is a folder that does not exist on this machine")
    return folder


def _loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _unreachable(root: str, why: str) -> ServerError:
    return ServerError(
        400,
        "",
        f"the run's artifact folder {root!r} {why}; start the server with --serve-artifacts to take them itself",
    )
