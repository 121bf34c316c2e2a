"""Sorting: a window of records into parcels, one per run, and parcels into waves, parents before children."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from fitscribe.dialects.parcels import AddressBook, Parcel
from fitscribe.records import (
    Artifact,
    Drawing,
    ExperimentNamed,
    Metrics,
    ModelBegun,
    ModelLogged,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    Source,
)

__all__ = ["sorted_out", "waves"]

SLOW = (Artifact, Drawing, ModelBegun, ModelLogged, RunEnded, RunResumed)


def sorted_out(
    records: Iterable[Record], book: AddressBook, folders: Sequence[Path], source: dict[str, str]
) -> list[Parcel]:
    """Return a parcel for each run, its records in order; runs that start get the tags of `source` as well.

    What is resumed is the same run under another id of ours, and shares its parcel: or the end of the one
    might overtake the beginning of the other.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    places: dict[str, list[Record]] = {}  # of metrics, which are most of what is said
    for record in records:
        if type(record) is Metrics:
            if (place := places.get(record.run)) is None:
                place = places[record.run] = found.setdefault(_place(record.run, book), [])
            place.append(record)
            continue
        if isinstance(record, Source):
            continue
        if isinstance(record, ExperimentNamed):
            found.setdefault(("", record.to), []).append(record)
            continue
        if isinstance(record, RunStarted):
            record = msgspec.structs.replace(record, tags={**source, **record.tags})  # noqa: PLW2901
        found.setdefault(_place(record.run, book), []).append(record)
    return [Parcel(run, to, said, book, folders) for (run, to), said in found.items()]


def _place(run: str, book: AddressBook) -> tuple[str, str]:
    owner = book.owner(run)
    address = book.get(owner)
    return owner, address.to if address else ""


def waves(parcels: Sequence[Parcel]) -> list[list[Parcel]]:
    """Return the parcels as waves to deliver one after the other.

    A run with children in the window is created in a wave before theirs; what else is said of it goes with the last.
    Files go when the values of all runs are there: a large one may take minutes.
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
    return [*(first[depth] for depth in sorted(first)), *(wave for wave in _files_apart(last) if wave)]


def _files_apart(parcels: list[Parcel]) -> tuple[list[Parcel], list[Parcel]]:
    """Part files, and how their runs end, from all else; one run alone does so by itself."""
    if len(parcels) < 2:
        return parcels, []
    values: list[Parcel] = []
    files: list[Parcel] = []
    for parcel in parcels:
        if not any(isinstance(record, Artifact) for record in parcel.records):
            values.append(parcel)
            continue
        for wave, slow in ((values, False), (files, True)):
            some = [record for record in parcel.records if isinstance(record, SLOW) is slow]
            if some:
                wave.append(Parcel(parcel.run, parcel.to, some, parcel.book, parcel.folders))
    return values, files


def _depth(run: str, starts: dict[str, RunStarted]) -> int:
    depth, seen = 0, {run}
    while run in starts and (run := starts[run].parent) not in seen:
        seen.add(run)
        depth += 1
    return depth
