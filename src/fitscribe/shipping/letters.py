"""Dead letters: what an endpoint refused for good, kept as lines of JSON with the endpoint's own words."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from fitscribe.dialects.parcels import Parcel, Refusal
from fitscribe.guard import log
from fitscribe.records import Artifact, Record, now

__all__ = ["AGAIN", "KEPT", "NAME", "Letter", "append", "letters", "set_aside"]

NAME = "dead-letters.jsonl"
AGAIN = "dead-letters-again.jsonl"  # those that are being sent once more
KEPT = "refused"  # folder of the snapshots that belong to dead letters
REASONS = 20  # that are said in one process

_said: set[str] = set()


class Letter(msgspec.Struct, frozen=True):
    """A record that the endpoint `to` refused at a time (milliseconds since 1970); it calls the run `theirs`."""

    at: int
    to: str
    theirs: str
    why: str
    record: Any

    @property
    def run(self) -> str:
        """Our id of the run; "" for what concerns no run."""
        return str(self.record.get("run", ""))

    @property
    def said(self) -> Record:
        """The record. `msgspec.ValidationError`: it is of another version."""
        record = self.record
        if record.get("type") == "metrics":
            record = {**record, "values": {key: float(value) for key, value in record["values"].items()}}
        said: Record = msgspec.convert(record, Record, strict=False)
        return said

    @property
    def words(self) -> str:
        """What the record says, in a few words."""
        if "values" in self.record:
            return ", ".join(f"{key} = {value}" for key, value in self.record["values"].items())
        return str(self.record.get("path") or self.record.get("name") or self.record.get("status") or "")


def set_aside(folder: Path, parcel: Parcel, refused: Sequence[Refusal], quiet: bool = False) -> None:
    """Append what was refused of a parcel to `dead-letters.jsonl`, in one write; the first of each kind is said.

    Snapshots move to the folder `refused`, so that they are not removed with those that arrived.
    """
    theirs = parcel.book.theirs(parcel.run)
    kept = f"It is kept in {folder / NAME}"
    try:
        append(folder, b"".join([_line(folder, parcel, theirs, refusal) for refusal in refused]))
    except OSError as error:  # a full disk must not keep the rest from being delivered
        kept = f"It is not kept: {error.strerror or error}"
    run = f"run {theirs or parcel.run}" if parcel.run else "no run"
    for why in {refusal.why: None for refusal in refused}.keys() - _said:
        if not quiet:
            to = parcel.to or "No endpoint"
            _say(f"{to} did not take something of {run}: {why}. {kept}", why)


def append(folder: Path, lines: bytes) -> None:
    """Write lines in one piece, so that those of other processes do not come between. `OSError`: it cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.write(file, lines)
    finally:
        os.close(file)


def letters(folder: Path, names: Sequence[str] = (AGAIN, NAME)) -> dict[bytes, Letter]:
    """Return the dead letters of a journal's folder by the lines that hold them; what came twice is there once."""
    found: dict[tuple[str, bytes], tuple[bytes, Letter]] = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            for line in (folder / name).read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError):  # torn by a full disk
                    letter = msgspec.json.decode(line, type=Letter)
                    found[letter.to, msgspec.json.encode(letter.record, order="sorted")] = line, letter
    return dict(found.values())


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
    target = folder / KEPT / (file.name if file.parent.name == KEPT else f"{file.parent.name}-{file.name}")
    if target != file:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)  # the folder for temporary files may be another disk
    return target.relative_to(folder).as_posix()
