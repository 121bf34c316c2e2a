"""A run's artifacts in an object store, listed and fetched with the user's own credentials."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from fitscribe.entities import FileInfo
from fitscribe.errors import NotFoundError
from fitscribe.reading.places import into, made, partial, parts, safe
from fitscribe.transport.objectstores import ObjectStore

__all__ = ["StoreFolder"]

DEEPEST = 64  # folders below one another


class StoreFolder:
    """A folder of an object store, read with the user's own credentials."""

    def __init__(self, root: str, owner: str) -> None:
        """Name the folder by its URI, and what it belongs to ("run 3f2...")."""
        self.store, self.owner = ObjectStore(root), owner

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name."""
        names = parts(path)
        found = [
            FileInfo("/".join([*names, safe(one.name)]), one.is_dir, one.size)
            for one in self.store.files("/".join(names))
            if one.name
        ]
        return sorted(found, key=lambda one: one.path)

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Fetch a file or folder into `target`, or into a new temporary folder."""
        names, listed = parts(path), self.files(path)
        place = made(into(target)).joinpath(*names[-1:])
        if names and not listed:
            self._fetch(path, place)
        else:
            self._folder(listed, PurePosixPath(*names), made(place), 0)
        return place

    def _folder(self, listed: list[FileInfo], start: PurePosixPath, place: Path, depth: int) -> None:
        for info in listed:
            here = place.joinpath(*PurePosixPath(info.path).relative_to(start).parts)
            if not info.is_dir:
                self._fetch(info.path, here)
            elif depth < DEEPEST:
                made(here)
                self._folder(self.files(info.path), start, place, depth + 1)

    def _fetch(self, path: str, place: Path) -> None:
        with partial(place) as part:
            try:
                self.store.get("/".join(parts(path)), part)
            except NotFoundError:
                raise NotFoundError(f"{self.owner} has no artifact {path!r}") from None
