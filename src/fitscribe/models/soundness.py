"""Packages that claim to read a model's file without running what it says, and from which version on that holds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import PurePosixPath

__all__ = ["doubted", "doubts"]

SOUND = {
    "keras": "3.13.2",  # CVE-2026-1462, and before it CVE-2025-9905, CVE-2025-8747, CVE-2025-1550: around safe mode
    "skops": "0.13",  # CVE-2025-54412, CVE-2025-54413: types that are not what they are called
    "torch": "2.10",  # CVE-2026-24747, CVE-2025-32434: around weights_only=True
}
READS = {".keras": "keras", ".skops": "skops", ".ckpt": "torch", ".pt": "torch", ".pth": "torch"}


@cache
def doubted(package: str) -> str:
    """Return the installed version of a package if its files can run code through a known hole; else ""."""
    from packaging.version import Version

    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""  # nothing loads then
    return found if Version(found) < Version(SOUND[package]) else ""


def doubts(files: Iterable[str]) -> str:
    """Return what an error says of the packages that would read these files; "" where there is no doubt."""
    packages = {READS.get(PurePosixPath(name).suffix, "") for name in files} - {""}
    words = [
        f"{each} {doubted(each)} has known holes, and is believed from {SOUND[each]} on"
        for each in sorted(packages)
        if doubted(each)
    ]
    return f" ({'; '.join(words)})" if words else ""
