"""A run's artifacts: listed and fetched from wherever the endpoint keeps them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from fitscribe.entities import FileInfo, Run
from fitscribe.errors import MisuseError, NotBuiltYet, NotFoundError, ServerError
from fitscribe.reading import answers
from fitscribe.reading.endpoint import Endpoint
from fitscribe.reading.refusals import refusal

__all__ = ["ArtifactFolder", "LocalFolder", "ServedFolder", "artifact_folder"]

ROUTE = "/api/2.0/mlflow-artifacts/artifacts"
FORBIDDEN = ("", ".", "..")
DEEPEST = 64  # folders below one another; a server that lists a folder within itself goes no further


class ArtifactFolder(Protocol):
    """The artifact folder of one run, with forward slashes in every path."""

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name; empty when it is a file or is not there."""

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Bring a file or a folder into the folder `target`, or a new one; return where it lies now."""


def artifact_folder(endpoint: Endpoint, run: Run) -> ArtifactFolder:
    """Return the artifact folder of a run. `NotBuiltYet`: it lies in a store that this version cannot read."""
    uri, run_id = run.info.artifact_uri, run.info.run_id
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts" and not parts.netloc:
        return ServedFolder(endpoint, unquote(parts.path).strip("/"), run_id)
    if parts.scheme == "file" or (uri and "://" not in uri and (not parts.scheme or len(parts.scheme) == 1)):
        if endpoint.shares_disk:
            return LocalFolder(_local(uri), run_id)
        raise NotBuiltYet(
            f"the artifacts of run {run_id} lie in {uri}, a folder of the machine that serves {endpoint.clean_uri}; "
            "start that server with --serve-artifacts to read them from here"
        )
    where = f"in {parts.scheme}: ({_showable(uri)})" if parts.scheme else "nowhere that the server tells"
    raise NotBuiltYet(f"the artifacts of run {run_id} lie {where}; this version reads mlflow-artifacts: and folders")


def _showable(uri: str) -> str:
    """Return a URI without user, password and query, which may sign a request."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _local(uri: str) -> Path:
    if not uri.startswith("file:"):
        return Path(uri)
    path = unquote(urlsplit(uri).path)
    on_windows = os.name == "nt" and path[2:3] == ":"  # file:///C:/folder
    return Path(path[1:] if on_windows else path)


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, root: Path, run_id: str) -> None:
        """Name the folder, which need not exist, and the run it belongs to."""
        self.root, self.run_id = root, run_id

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name."""
        folder = self.root.joinpath(*_parts(path))
        if not folder.is_dir():
            return []
        entries = sorted((entry for entry in folder.iterdir() if entry.exists()), key=lambda entry: entry.name)
        return [self._info(entry) for entry in entries]  # a link to nowhere is left out

    def _info(self, entry: Path) -> FileInfo:
        path, is_dir = entry.relative_to(self.root).as_posix(), entry.is_dir()
        return FileInfo(path, is_dir, None if is_dir else entry.stat().st_size)

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Copy a file or folder into `target`; without one, return what is stored itself."""
        parts = _parts(path)
        stored = self.root.joinpath(*parts)
        if not stored.exists() and parts:
            raise NotFoundError(f"run {self.run_id} has no artifact {path!r}")
        if target is None:
            return stored
        place = _made(Path(target)).joinpath(*parts[-1:])
        if stored.is_dir():
            shutil.copytree(stored, place, dirs_exist_ok=True)
        elif stored.exists():
            shutil.copyfile(stored, place)
        return place


class ServedFolder:
    """A folder behind the endpoint's artifact routes."""

    def __init__(self, endpoint: Endpoint, root: str, run_id: str) -> None:
        """Name the folder as the endpoint does, and the run it belongs to."""
        self.endpoint, self.root, self.run_id = endpoint, root, run_id

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name."""
        parts = _parts(path)
        query = {"path": "/".join([self.root, *parts])}
        answer, _ = self.endpoint.send("GET", ROUTE, query)
        if answer.status >= 300 or (answer.body and not isinstance(answer.body, dict)):
            raise refusal(answer, f"GET {ROUTE}", self.endpoint.clean_uri, f"artifact {path!r}", {})
        found = [answers.file_info(one) for one in answers.items(answer.body, "files")]
        named = [FileInfo("/".join([*parts, _safe(one.path)]), one.is_dir, one.file_size) for one in found]
        return sorted(named, key=lambda one: one.path)

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Fetch a file or folder into `target`, or into a new temporary folder."""
        parts, listed = _parts(path), self.files(path)
        if target is not None:
            _made(Path(target))
        if not parts or listed:
            place = _into(target).joinpath(*parts[-1:])
            self._folder(path, listed, _made(place))
            return place
        content = self._content(path)  # before a folder is made for it
        place = _into(target) / parts[-1]
        _write(place, content)
        return place

    def _folder(self, path: str, listed: list[FileInfo], place: Path) -> None:
        for info, relative in self._all_below(listed, PurePosixPath(*_parts(path)), 0):
            here = place.joinpath(*relative.parts)
            if info.is_dir:
                _made(here)
            else:
                _write(here, self._content(info.path))

    def _all_below(
        self, listed: list[FileInfo], start: PurePosixPath, depth: int
    ) -> Iterator[tuple[FileInfo, PurePosixPath]]:
        for info in listed:
            yield info, PurePosixPath(info.path).relative_to(start)
            if info.is_dir and depth < DEEPEST:
                yield from self._all_below(self.files(info.path), start, depth + 1)

    def _content(self, path: str) -> bytes:
        request = f"{ROUTE}/{quote(self.root)}/{quote('/'.join(_parts(path)))}"
        answer, _ = self.endpoint.send("GET", request, None)
        if answer.status == 200 and isinstance(answer.body, Path):
            return answer.body.read_bytes()
        if answer.status == 200 and isinstance(answer.body, bytes):
            return answer.body
        if answer.status in (400, 404):
            raise NotFoundError(f"run {self.run_id} has no artifact {path!r}")
        raise refusal(answer, f"GET {request}", self.endpoint.clean_uri, f"artifact {path!r}", {})


def _parts(path: str) -> tuple[str, ...]:
    """Return the names of a path that a user gave. `MisuseError`: it would leave the run's folder."""
    names = tuple(name for name in str(path).split("/") if name not in ("", "."))
    if str(path).startswith("/") or not all(_is_name(name) for name in names):
        raise MisuseError(f"the artifact path {path!r} must stay in the run's folder; write it like 'folder/file.txt'")
    return names


def _safe(path: str) -> str:
    """Return the name of a listed file. `ServerError`: a name that would leave the folder it is written to."""
    name = path.rstrip("/")
    if not _is_name(name):
        raise ServerError(200, "", f"the server lists an artifact named {path!r}, which is no name of a file")
    return name


def _is_name(name: str) -> bool:
    odd = "/\\\0:" if os.name == "nt" else "/\0"
    return name not in FORBIDDEN and not any(character in name for character in odd)


def _into(target: str | os.PathLike[str] | None) -> Path:
    return Path(tempfile.mkdtemp(prefix="fitscribe-") if target is None else target)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(place: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    partial = place.with_name(f".{place.name}.{os.getpid()}.part")
    partial.write_bytes(content)
    os.replace(partial, place)
