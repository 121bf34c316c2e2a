"""Progress: how far each run of a segment got, where one that is stuck must not hold up the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fitscribe.journal.segment import acknowledged

__all__ = ["EVERY", "Progress"]

EVERY = "*"  # stands for all runs of a journal that is about to be removed


class Mark(msgspec.Struct, omit_defaults=True):
    """Of one run everything before an offset is delivered; or its end, which the journal does not hold."""

    run: str
    offset: int = 0
    ended: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Mark).decode


class Progress:
    """`<segment>.ack` as long as all runs get on; lines of JSON in `<segment>.sent` from the first that does not."""

    def __init__(self, path: Path) -> None:
        """Read what was noted before."""
        self.path = path
        self.start = acknowledged(path)
        self.ended: set[str] = set()
        self._sent: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in path.with_suffix(".sent").read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError):  # the last line may be torn
                    mark = _decode(line)
                    self._sent[mark.run] = max(mark.offset, self._sent.get(mark.run, 0))
                    self.ended |= {mark.run} if mark.ended else set()

    def has(self, run: str, end: int) -> bool:
        """True when the record of a run that ends at an offset is delivered."""
        return self._sent.get(run, 0) >= end

    def all_until(self, offset: int) -> None:
        """Note that everything before an offset is delivered. `OSError`: it cannot be written."""
        self.path.with_suffix(".ack").write_bytes(b"%020d\n" % offset)

    def these_until(self, runs: Iterable[str], offset: int) -> None:
        """Note it of some runs. `OSError`: it cannot be written."""
        self._add(Mark(run, offset) for run in runs)

    def note_end(self, run: str) -> None:
        """Note that a run's end is told. `OSError`: it cannot be written."""
        self.ended.add(run)
        self._add([Mark(run, ended=True)])

    def _add(self, marks: Iterable[Mark]) -> None:
        with self.path.with_suffix(".sent").open("ab") as file:
            if file.tell() and not self._whole():
                file.write(b"\n")
            file.write(b"".join(_encode(mark) + b"\n" for mark in marks))

    def _whole(self) -> bool:
        return self.path.with_suffix(".sent").read_bytes().endswith(b"\n")
