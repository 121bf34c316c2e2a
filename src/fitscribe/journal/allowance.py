"""The allowance: how much disk a folder's journal may take, and what is left out beyond that."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from fitscribe.guard import log, warn_once
from fitscribe.journal.segments import Segments
from fitscribe.journal.thinning import Thinning
from fitscribe.records import Artifact, Drawing, Metrics, Record, RunEnded, Tags

__all__ = ["LEFT_OUT", "Allowance"]

LEFT_OUT = "fitscribe.left_out"
LONGEST = 500  # characters of that tag
LOOK = 5.0  # seconds between looks at the folder
SHARE = 50  # a look may take one part in so many of the time


class Allowance:
    """What may be written when the journal and the snapshots of a folder, of all processes, exceed the limit.

    1. Files and charts are left out; the run's tag `fitscribe.left_out` names them. 2. Metrics go on, unless
    `thin_metrics` is set: then every second point of a metric is kept, beyond 110 % of the limit every fourth, beyond
    120 % every eighth and so on, and always the first, and the last when the run ends. 3. Params, tags, and beginnings
    and ends of runs are always written. What is delivered makes room again.

    Without a limit only memory is scarce, when no disk takes the journal: metrics are thinned then by the same rule.
    """

    def __init__(self, folder: Path, segments: Segments, limit: int, thin: bool) -> None:
        """`limit` is in bytes; 0 is no limit."""
        self.folder, self.segments, self.limit, self.thin = folder, segments, limit, thin
        self.level = 0  # of thinning that the limit asks for
        self.thinning = Thinning()
        self._found = 0  # bytes in the folder at the last look
        self._since = 0  # bytes that this process had written then
        self._kept = 0  # bytes of snapshots
        self._due = 0.0
        self._names: dict[str, list[str]] = {}  # what is left out, by run
        if limit:
            segments.most = min(segments.most, max(1 << 16, limit // 16))  # space comes back by whole segments

    @property
    def used(self) -> int:
        """Bytes that the folder takes, as far as this process knows."""
        return self._found + self.segments.volume + self._kept - self._since

    def takes(self, size: int) -> bool:
        """True when there is room for a file of so many bytes."""
        fits = not self.limit or self.used + size <= self.limit
        if not fits:
            self._say()
        return fits

    def took(self, size: int) -> None:
        """Count a file that was kept, in bytes."""
        self._kept += size

    def weigh(self) -> None:
        """Find out how far over the limit the folder is; microseconds."""
        if not self.limit:
            return
        share = self.used / self.limit
        self.level = min(30, 1 + int((share - 1) * 10)) if self.thin and share >= 1 else 0
        if share >= 1:
            self._say()

    def look(self) -> None:
        """Add up what lies in the folder, now and then; for a thread of ours."""
        began = time.monotonic()
        if not self.limit or began < self._due:
            return
        mine = self.segments.volume + self._kept
        self._found, self._since = _size(self.folder), mine
        took = time.monotonic() - began
        self._due = began + took + max(LOOK, SHARE * took)
        self.weigh()

    def admit(self, record: Record) -> Sequence[Record]:
        """Return what is to be written in the place of a record."""
        if isinstance(record, Metrics):
            return self.thinning.thinned(record, max(self.level, self.segments.pressure))
        if isinstance(record, RunEnded):
            self._names.pop(record.run, None)
            return [*self.thinning.last(record.run), record]
        if (isinstance(record, Artifact) and not record.file) or (isinstance(record, Drawing) and not self.takes(0)):
            return [self._left_out(record)]
        return [record]

    def farewell(self) -> None:
        """Say in one line what is missing for want of room."""
        parts = []
        if self.segments.lost:
            parts.append(f"{self.segments.lost} record(s) are lost, which neither a disk nor memory could take")
        if self.thinning.dropped:
            parts.append(f"{self.thinning.dropped} metric point(s) were left out to save room")
        if parts:
            log().warning("%s", "; ".join(parts))

    def _left_out(self, record: Artifact | Drawing) -> Tags:
        names = self._names.setdefault(record.run, [])
        names.append(record.path)
        text = ", ".join(names)
        if len(text) > LONGEST:
            text = f"{text[: LONGEST - 30]}... ({len(names)} in all)"
        return Tags(record.run, record.at, {LEFT_OUT: text})

    def _say(self) -> None:
        warn_once(
            "what waits in %s exceeds FITSCRIBE_JOURNAL_LIMIT (%d bytes); until it is delivered, files and charts are "
            "left out%s; each run's tag %s names them",
            *(self.folder, self.limit, " and metrics thinned" if self.thin else "", LEFT_OUT),
        )


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for each in found:
            with contextlib.suppress(OSError):  # delivered and deleted meanwhile
                if each.is_dir(follow_symlinks=False):
                    total += _size(Path(each.path))
                else:
                    total += each.stat(follow_symlinks=False).st_size
    return total
