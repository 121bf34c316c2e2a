"""Sorting: a window of records into parcels, one per run, and parcels into waves, parents before children."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from fitscribe.dialects.parcels import AddressBook, Parcel
from fitscribe.records import ExperimentNamed, Record, RunStarted, Source

__all__ = ["sorted_out", "waves"]


def sorted_out(
    records: Iterable[Record], book: AddressBook, folders: Sequence[Path], source: dict[str, str]
) -> list[Parcel]:
    """Return a parcel for each run, its records in order; runs that start get the tags of `source` as well.

    What is resumed is the same run under another id of ours, and shares its parcel: or the end of the one
    might overtake the beginning of the other.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if isinstance(record, Source):
            continue
        if isinstance(record, ExperimentNamed):
            found.setdefault(("", record.to), []).append(record)
            continue
        if isinstance(record, RunStarted):
            record = msgspec.structs.replace(record, tags={**source, **record.tags})  # noqa: PLW2901
        run = book.owner(record.run)
        address = book.get(run)
        found.setdefault((run, address.to if address else ""), []).append(record)
    return [Parcel(run, to, said, book, folders) for (run, to), said in found.items()]


def waves(parcels: Sequence[Parcel]) -> list[list[Parcel]]:
    """Return the parcels as waves to deliver one after the other.

    A run with children in the window is created in a wave before theirs; what else is said of it goes with the last.
    """
    starts = {record.run: record for parcel in parcels for record in parcel.records if isinstance(record, RunStarted)}
    parents = {record.parent for record in starts.values()} & starts.keys()
    first: dict[int, list[Parcel]] = {}
    last: list[Parcel] = []
    for parcel in parcels:
        if not parcel.run or parcel.run in parents:
            depth = _depth(parcel.run, starts)
            born = [record for record in parcel.records if isinstance(record, RunStarted | ExperimentNamed)]
            first.setdefault(depth, []).append(Parcel(parcel.run, parcel.to, born, parcel.book, parcel.folders))
            rest = [record for record in parcel.records if not isinstance(record, RunStarted | ExperimentNamed)]
            if rest:
                last.append(Parcel(parcel.run, parcel.to, rest, parcel.book, parcel.folders))
        else:
            last.append(parcel)
    return [*(first[depth] for depth in sorted(first)), *([last] if last else [])]


def _depth(run: str, starts: dict[str, RunStarted]) -> int:
    depth, seen = 0, {run}
    while run in starts and (run := starts[run].parent) not in seen:
        seen.add(run)
        depth += 1
    return depth
