"""The folders that summary writers write to: which run they belong to, and when it is over."""

from __future__ import annotations

import os
import time
import weakref
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.tensorflow import following

__all__ = ["Place", "place_of"]

PARTS = ("train", "training", "val", "valid", "validation", "test", "testing", "eval", "evaluation", "dev")


class Training:
    """What writers to one folder, or to `train` and `test` below it, have in common: a run of ours, if any."""

    def __init__(self, name: str) -> None:
        """Begin no run yet."""
        self.name, self.run, self.process = name, None, 0  # type: tuple[str, Any, int]
        self.places: weakref.WeakSet[Place] = weakref.WeakSet()
        self.at: int | None = None  # of the last value that was heard, in milliseconds since 1970

    def own(self, call: Any) -> Any:
        """Return our run for this folder, begun now if there is none or it is over."""
        if self.run is None or self.run.ended is not None or self.process != os.getpid():
            with call.run(self.name or "tf.summary") as run:
                call.owned = None  # it outlives this call
                self.run, self.process = run, os.getpid()
        return self.run

    def over(self) -> None:
        """End our run in the background, once no writer is open."""
        run = self.run
        if run is None or run.ended is not None or self.process != os.getpid() or any(p.open for p in self.places):
            return
        self.run = None
        run.later(partial(self._end, run, [place.read for place in self.places if place.read is not None]))

    def _end(self, run: Any, readings: list[following.Reading]) -> None:
        """Read what was written last, and end the run as of the last value."""
        for reading in readings:
            reading.look()
        run.end("FINISHED", max((at for at in (self.at, *(each.last for each in readings)) if at), default=None))


class Place:
    """One folder, and who writes to it."""

    def __init__(self, folder: str, training: Training, prefix: str) -> None:
        """`prefix` stands before the tags: of a folder `train` it is `train/`."""
        self.folder, self.training, self.prefix = folder, training, prefix
        self.open: dict[int, Any] = {}
        self.read: following.Reading | None = None
        training.places.add(self)

    def opened(self, writer: Any) -> None:
        """Know of a writer."""
        self.open[id(writer)] = weakref.ref(writer)

    def closed(self, writer: int) -> None:
        """Forget a writer; the collector of garbage may ask."""
        if self.open.pop(writer, None) is not None and not self.open:
            self.training.over()

    def traced(self, run: Any) -> None:
        """A function that writes here was traced: from now on its file is read, for this run until another begins."""
        if self.read is None and self.folder:
            self.read = following.Reading(self.folder, self.prefix, time.time(), self.flush)
        if self.read is not None:
            self.read.into(run)

    @guarded("flushing a summary writer")
    def flush(self) -> None:
        """Let the writers write down what they hold."""
        for known in list(self.open.values()):
            writer = known()
            if writer is not None:
                writer.flush()


_places: weakref.WeakValueDictionary[str, Place] = weakref.WeakValueDictionary()
_trainings: weakref.WeakValueDictionary[str, Training] = weakref.WeakValueDictionary()


def place_of(folder: str) -> Place:
    """Return the one place of a folder."""
    place = _places.get(folder)
    if place is None:
        above, last = os.path.split(folder)
        part = last.lower() in PARTS
        whole = above if part else folder
        training = _trainings.get(whole) or Training(os.path.basename(whole))
        place = Place(folder, training, f"{last}/" if part else "")
        _trainings[whole], _places[folder] = training, place
    return place
