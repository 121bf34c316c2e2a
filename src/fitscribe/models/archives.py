"""Archives: model files that are zip files, and how large they would become in memory."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from fitscribe.errors import MisuseError

__all__ = ["ARCHIVES", "check"]

ARCHIVES = (".keras", ".npz", ".pt", ".pt2", ".pth", ".skops", ".zip")
ALWAYS = 100_000_000  # bytes that any archive may hold
TIMES = 20  # its own size; what is trained does not compress so well
MOST = 100_000  # entries


def check(file: Path) -> None:
    """Raise `MisuseError` for an archive that unpacks into far more than itself, or elsewhere. Others pass.

    It goes by the sizes that the archive states: whoever unpacks it reads no further than those.
    """
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise MisuseError(f"{str(file)!r} is a damaged archive: {error}") from None
    size, limit = sum(one.file_size for one in entries), ALWAYS + TIMES * file.stat().st_size
    if size > limit or len(entries) > MOST:
        raise MisuseError(
            f"{str(file)!r} has {file.stat().st_size:,} bytes and would unpack into {size:,} in {len(entries):,} "
            f"entries, more than the {limit:,} that a model of its size may; load it with trust=True if it is yours"
        )
    for one in entries:
        name = one.orig_filename
        if PurePosixPath(name.replace("\\", "/")).is_absolute() or ".." in name.replace("\\", "/").split("/"):
            raise MisuseError(f"the archive {str(file)!r} holds an entry {name!r:.200}, which would leave its folder")
