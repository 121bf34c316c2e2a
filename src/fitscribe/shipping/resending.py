"""Resending: dead letters once more, after who refused them was mended."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from fitscribe.config import directory_of
from fitscribe.dialects import Address, AddressBook
from fitscribe.journal import locks
from fitscribe.records import Record
from fitscribe.shipping.courier import Courier
from fitscribe.shipping.letters import AGAIN, KEPT, NAME, Letter, append, letters
from fitscribe.shipping.sorting import sorted_out

__all__ = ["resend"]


def resend(folder: Path, courier: Courier) -> tuple[int, int]:
    """Send the dead letters of a journal's folder again; return how many there were, and how many were taken.

    What is refused once more, or cannot be sent now, is a dead letter again. It can be repeated, also after it was
    killed. `BlockingIOError`: another process is at it.
    """
    lock = folder / f"{NAME}.lock"
    locks.hold(lock)
    try:
        with contextlib.suppress(FileNotFoundError):  # an earlier attempt was killed
            append(folder, (folder / AGAIN).read_bytes())
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder / NAME, folder / AGAIN)
        found = letters(folder, [AGAIN])
        append(folder, b"".join(line + b"\n" for line in _kept(folder, found, courier)))
        left = letters(folder, [NAME])
        _clear(folder, found, left)
        return len(found), len(found) - len(left)
    finally:
        locks.let_go(lock)


def _kept(folder: Path, found: dict[bytes, Letter], courier: Courier) -> list[bytes]:
    """Send letters; return the lines of those that could not be sent. What is refused is set aside anew."""
    told: dict[bytes, Record] = {}
    for line, letter in found.items():
        with contextlib.suppress(msgspec.ValidationError):  # of another version
            told[line] = letter.said
    book = AddressBook(_address(found[line]) for line in told if found[line].run)
    parcels = sorted_out(told.values(), book, [folder], {})
    stuck: dict[str, str] = {}
    courier.carry(parcels, stuck)
    return [
        line
        for line, letter in found.items()
        if line not in told or book.owner(letter.run) in stuck or f"@{letter.to}" in stuck
    ]


def _address(letter: Letter) -> Address:
    theirs = letter.theirs or (letter.run if directory_of(letter.to) else "")
    return Address(letter.run, letter.to, theirs, doubt=not theirs)


def _clear(folder: Path, found: dict[bytes, Letter], left: dict[bytes, Letter]) -> None:
    """Remove the snapshots of what was taken, and the copy of the letters."""
    kept = {letter.record.get("file") for letter in left.values()}
    for letter in found.values():
        file = str(letter.record.get("file") or "")
        if letter.record.get("type") == "artifact" and file.startswith(f"{KEPT}/") and file not in kept:
            (folder / file).unlink(missing_ok=True)
    for empty in (folder / NAME, folder / AGAIN):
        if empty.name == AGAIN or not left:
            empty.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (folder / KEPT).rmdir()
