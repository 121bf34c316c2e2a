"""Dead letters: what an endpoint refused for good, kept as lines of JSON with the endpoint's own words."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from fitscribe.dialects.parcels import Parcel, Refusal
from fitscribe.guard import log
from fitscribe.records import Artifact, now

__all__ = ["NAME", "set_aside"]

NAME = "dead-letters.jsonl"
KEPT = "refused"  # folder of the snapshots that belong to dead letters
REASONS = 20  # that are said in one process

_said: set[str] = set()


def set_aside(folder: Path, parcel: Parcel, refused: Sequence[Refusal]) -> None:
    """Append what was refused of a parcel to `dead-letters.jsonl`, in one write; the first of each kind is said.

    Snapshots move to the folder `refused`, so that they are not removed with those that arrived.
    """
    theirs = parcel.book.theirs(parcel.run)
    lines = [_line(folder, parcel, theirs, refusal) for refusal in refused]
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.write(file, b"".join(lines))
    finally:
        os.close(file)
    run = f"run {theirs or parcel.run}" if parcel.run else "no run"
    for why in {refusal.why: None for refusal in refused}.keys() - _said:
        _say(f"{parcel.to or 'No endpoint'} did not take something of {run}: {why}. It is kept in {folder / NAME}", why)


def _say(words: str, why: str) -> None:
    """Say each reason once, and not a hundred of them: the file has them all."""
    _said.add(why)
    if len(_said) <= REASONS:
        log().warning("%s", words)


def _line(folder: Path, parcel: Parcel, theirs: str, refusal: Refusal) -> bytes:
    record = refusal.record
    if isinstance(record, Artifact) and parcel.file(record).exists():
        record = msgspec.structs.replace(record, file=_moved(folder, parcel.file(record)))
    letter = {"at": now(), "to": parcel.to, "theirs": theirs, "why": refusal.why, "record": record}
    return msgspec.json.encode(_plain(msgspec.to_builtins(letter))) + b"\n"


def _plain(value: Any) -> Any:
    """Write NaN and infinities as text: they would become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _moved(folder: Path, file: Path) -> str:
    target = folder / KEPT / f"{file.parent.name}-{file.name}"
    target.parent.mkdir(exist_ok=True)
    os.replace(file, target)
    return target.relative_to(folder).as_posix()
