"""Artifacts of a run or a model: listed and fetched from wherever the endpoint keeps them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from fitscribe.entities import FileInfo, Run
from fitscribe.errors import NotBuiltYet, NotFoundError, ServerError
from fitscribe.reading import answers
from fitscribe.reading.endpoint import Endpoint
from fitscribe.reading.places import into, made, partial, parts, safe
from fitscribe.reading.refusals import refusal
from fitscribe.reading.stores import StoreFolder
from fitscribe.transport.objectstores import showable

__all__ = ["ArtifactFolder", "LocalFolder", "ServedFolder", "artifact_folder", "folder_at", "sent_to"]

ROUTE = "/api/2.0/mlflow-artifacts/artifacts"
DEEPEST = 64  # folders below one another; a server that lists a folder within itself goes no further
MOST = 10_000  # folders; nor does one that lists it there twice


class ArtifactFolder(Protocol):
    """The artifact folder of one run or model, with forward slashes in every path."""

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name; empty when it is a file or is not there."""

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Bring a file or a folder into the folder `target`, or a new one; return where it lies now."""


def artifact_folder(endpoint: Endpoint, run: Run) -> ArtifactFolder:
    """Return the artifact folder of a run. `NotBuiltYet`: it lies in a store that this version cannot read."""
    return folder_at(endpoint, run.info.artifact_uri, f"run {run.info.run_id}")


def folder_at(endpoint: Endpoint, uri: str, owner: str) -> ArtifactFolder:
    """Return the folder that an artifact URI names; `owner` ("run 3f2...") is what errors call it."""
    split = urlsplit(uri)
    if split.scheme == "mlflow-artifacts" and not split.netloc:
        return ServedFolder(endpoint, unquote(split.path).strip("/"), owner)
    if split.scheme == "file" or (uri and "://" not in uri and (not split.scheme or len(split.scheme) == 1)):
        if endpoint.shares_disk:
            return LocalFolder(_local(uri), owner)
        raise NotBuiltYet(
            f"the artifacts of {owner} lie in {uri}, a folder of the machine that serves {endpoint.clean_uri}; "
            "start that server with --serve-artifacts to read them from here"
        )
    if split.netloc and split.scheme not in ("mlflow-artifacts", "http", "https"):
        return StoreFolder(uri, owner)
    where = f"in {split.scheme}: ({showable(uri)})" if split.scheme else "nowhere that the server tells"
    raise NotBuiltYet(
        f"the artifacts of {owner} lie {where}; this version reads mlflow-artifacts:, folders and object stores"
    )


def sent_to(endpoint: Endpoint, uri: str, owner: str, path: str, file: Path) -> None:
    """Write a file to `path` below an artifact URI, now. `NotBuiltYet`: it lies where this version cannot write."""
    folder = folder_at(endpoint, uri, owner)
    if isinstance(folder, StoreFolder):
        folder.store.put(file, "/".join(parts(path)))
    elif isinstance(folder, LocalFolder):
        place = folder.root.joinpath(*parts(path))
        with partial(made(place.parent) / place.name) as part:
            shutil.copyfile(file, part)
    elif isinstance(folder, ServedFolder):
        folder.put(path, file)


def _local(uri: str) -> Path:
    if not uri.startswith("file:"):
        return Path(uri)
    path = unquote(urlsplit(uri).path)
    on_windows = os.name == "nt" and path[2:3] == ":"  # file:///C:/folder
    return Path(path[1:] if on_windows else path)


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, root: Path, owner: str) -> None:
        """Name the folder, which need not exist, and what it belongs to ("run 3f2...")."""
        self.root, self.owner = root, owner

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name."""
        folder = self.root.joinpath(*parts(path))
        if not folder.is_dir():
            return []
        entries = sorted((entry for entry in folder.iterdir() if entry.exists()), key=lambda entry: entry.name)
        return [self._info(entry) for entry in entries]  # a link to nowhere is left out

    def _info(self, entry: Path) -> FileInfo:
        path, is_dir = entry.relative_to(self.root).as_posix(), entry.is_dir()
        return FileInfo(path, is_dir, None if is_dir else entry.stat().st_size)

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Copy a file or folder into `target`; without one, return what is stored itself."""
        names = parts(path)
        stored = self.root.joinpath(*names)
        if not stored.exists() and names:
            raise NotFoundError(f"{self.owner} has no artifact {path!r}")
        if target is None:
            return stored
        place = made(Path(target)).joinpath(*names[-1:])
        if stored.is_dir():
            shutil.copytree(stored, place, dirs_exist_ok=True, ignore=_rounds(stored))
        elif stored.exists():
            shutil.copyfile(stored, place)
        return place


def _rounds(root: Path) -> Callable[[str, list[str]], list[str]]:
    """Return what tells which links in a folder to leave out: those to folders that are copied anyway."""
    home, followed = root.resolve(), set[Path]()

    def again(folder: str, names: list[str]) -> list[str]:
        found = []
        for name in names:
            entry = Path(folder, name)
            if entry.is_symlink() and entry.is_dir():
                real = entry.resolve()
                if real in followed or real.is_relative_to(home) or home.is_relative_to(real):
                    found.append(name)
                followed.add(real)
        return found

    return again


class ServedFolder:
    """A folder behind the endpoint's artifact routes."""

    def __init__(self, endpoint: Endpoint, root: str, owner: str) -> None:
        """Name the folder as the endpoint does, and what it belongs to ("run 3f2...")."""
        self.endpoint, self.root, self.owner = endpoint, root, owner
        self.listed = 0  # folders of one download

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name."""
        names = parts(path)
        query = {"path": "/".join([self.root, *names])}
        answer, _ = self.endpoint.send("GET", ROUTE, query)
        if answer.status >= 300 or (answer.body and not isinstance(answer.body, dict)):
            raise refusal(answer, f"GET {ROUTE}", self.endpoint.clean_uri, f"artifact {path!r}", {})
        found = [answers.file_info(one) for one in answers.items(answer.body, "files")]
        named = [FileInfo("/".join([*names, safe(one.path)]), one.is_dir, one.file_size) for one in found]
        return sorted(named, key=lambda one: one.path)

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Fetch a file or folder into `target`, or into a new temporary folder."""
        names, listed = parts(path), self.files(path)
        if target is not None:
            made(Path(target))
        if not names or listed:
            place = into(target).joinpath(*names[-1:])
            self._folder(path, listed, made(place))
            return place
        place = into(target) / names[-1]
        try:
            self._fetch(path, place)
        except NotFoundError:
            if target is None:  # nobody knows of the folder that was made for it
                place.parent.rmdir()
            raise
        return place

    def _folder(self, path: str, listed: list[FileInfo], place: Path) -> None:
        self.listed = 0
        for info, relative in self._all_below(listed, PurePosixPath(*parts(path)), 0):
            here = place.joinpath(*relative.parts)
            if info.is_dir:
                made(here)
            else:
                self._fetch(info.path, here)

    def _all_below(
        self, listed: list[FileInfo], start: PurePosixPath, depth: int
    ) -> Iterator[tuple[FileInfo, PurePosixPath]]:
        for info in listed:
            yield info, PurePosixPath(info.path).relative_to(start)
            self.listed += info.is_dir
            if self.listed > MOST:
                raise ServerError(200, "", f"{self.endpoint.clean_uri} lists no end of folders for {self.owner}")
            if info.is_dir and depth < DEEPEST:
                yield from self._all_below(self.files(info.path), start, depth + 1)

    def _fetch(self, path: str, place: Path) -> None:
        """Write a file whole or not at all, as it comes."""
        request = f"{ROUTE}/{quote(self.root)}/{quote('/'.join(parts(path)))}"
        with partial(place) as part:
            answer, _ = self.endpoint.send("GET", request, part)
            if answer.status in (400, 404):
                raise NotFoundError(f"{self.owner} has no artifact {path!r}")
            if answer.status not in (200, 206) or not isinstance(answer.body, (Path, bytes)):
                raise refusal(answer, f"GET {request}", self.endpoint.clean_uri, f"artifact {path!r}", {})
            if isinstance(answer.body, bytes):
                part.write_bytes(answer.body)
            elif answer.body != part:  # an embedded store names its own file
                shutil.copyfile(answer.body, part)

    def put(self, path: str, file: Path) -> None:
        """Send a file."""
        request = f"{ROUTE}/{quote(self.root)}/{quote('/'.join(parts(path)))}"
        answer, _ = self.endpoint.send("PUT", request, file)
        if answer.status >= 300:
            raise refusal(answer, f"PUT {request}", self.endpoint.clean_uri, f"artifact {path!r}", {})
