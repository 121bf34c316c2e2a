"""Files that a user puts into a model directory beside the model."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fitscribe.errors import MissingFile, MisuseError

__all__ = ["copied", "sizes"]

EXTRA_FILES = "extra_files"


def copied(files: Iterable[str | Path] | None, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Copy files and folders into a model's folder: what its flavor says of them, and the names they have there.

    `MissingFile`: one is not there; `MisuseError`: two have the same name.
    """
    sources = [Path(each) for each in files or ()]
    if not sources:
        return {}, []
    for each in sources:
        if not each.exists():
            raise MissingFile(f"the extra file {str(each)!r} is not there")
    places = [f"{EXTRA_FILES}/{each.resolve().name}" for each in sources]
    if len(set(places)) < len(places):
        raise MisuseError(f"two extra files have the same name: {', '.join(map(str, sources))}")
    (folder / EXTRA_FILES).mkdir()
    for each, place in zip(sources, places, strict=True):
        copy = shutil.copytree if each.is_dir() else shutil.copyfile
        copy(each, folder / place)
    return {EXTRA_FILES: [{"path": place} for place in places]}, list(sizes(folder / EXTRA_FILES, folder))


def sizes(place: Path, folder: Path) -> dict[str, int]:
    """Return the size in bytes of every file under a place, by its name in the folder, with forward slashes."""
    files = [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.is_file())
    return {one.relative_to(folder).as_posix(): one.stat().st_size for one in files}
