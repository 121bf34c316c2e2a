"""The courier: carries parcels to endpoints for who sends what others left, and says which runs got stuck and why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fitscribe.dialects import Dialect
from fitscribe.dialects.parcels import Parcel, Refusal
from fitscribe.errors import TransportError
from fitscribe.guard import log
from fitscribe.records import RunStarted
from fitscribe.shipping.delivery import Delivery
from fitscribe.shipping.letters import set_aside
from fitscribe.shipping.sorting import waves

__all__ = ["Courier", "key_of"]

PROOF = 45.0  # seconds that it takes to prove that a request is to blame, and not its endpoint
TIRED = 3  # attempts in a row that an endpoint took nothing, after which it is not asked any more


class _Quiet(Delivery):
    """Says nothing while it tries: who sent the courier tells the user in one piece."""

    left: Sequence[tuple[Parcel, TransportError]] = ()  # what the last attempt could not write

    def _report(self, left: Sequence[tuple[Parcel, TransportError]]) -> None:
        self.left = left
        if not left:
            self._failures, self.trouble = 0, ""
            return
        self._failures += 1
        self.retries += 1
        self.trouble = str(self._worst(left))
        log().debug("%s", self.trouble)

    def dismiss(self) -> None:
        self._crew.dismiss()

    def keep_aside(self, parcel: Parcel, refused: Sequence[Refusal]) -> None:
        set_aside(self.folder, parcel, refused, quiet=True)


class Courier:
    """One for all journals that are sent together: it remembers which endpoints do not answer."""

    def __init__(
        self,
        dialect_for: Callable[[str], Dialect],
        folder: Path,
        patience: float = 10.0,
        ready: Callable[[], None] = lambda: None,
        refuses: Callable[[str], str] = lambda to: "",
    ) -> None:
        """`folder` takes dead letters; an endpoint has `patience` seconds to recover, once.

        `ready()` is called before each window of records; it may wait, and raise to stop. `refuses(to)` says why
        an endpoint is not to be asked at all.
        """
        self.delivery = _Quiet(dialect_for, folder)
        self.patience, self.ready, self.refuses = patience, ready, refuses
        self.created: set[str] = set()  # runs that are there now
        self._misses: Counter[str] = Counter()
        self._words: dict[str, str] = {}
        self._others: list[Courier] = []

    def carry(self, parcels: Sequence[Parcel], stuck: dict[str, str]) -> None:
        """Deliver parcels; what could not be is added to `stuck`, run by run with the reason, and waits there."""
        for wave in waves(parcels):
            for to in {parcel.to: None for parcel in wave}:
                free = [parcel for parcel in wave if parcel.to == to and not _waits(parcel, stuck)]
                for parcel, why in self._carried(to, free):
                    stuck[key_of(parcel.run, parcel.to)] = why
        done = (record.run for parcel in parcels for record in parcel.records if isinstance(record, RunStarted))
        self.created |= {run for run in done if run not in stuck}

    @property
    def retries(self) -> int:
        """Rounds in which an endpoint did not take everything."""
        return self.delivery.retries + sum(each.retries for each in self._others)

    def traffic(self) -> tuple[int, int, int]:
        """Return the requests made so far, and the bytes sent and received with them."""
        return max([self.delivery.traffic(), *(each.traffic() for each in self._others)])  # of the same endpoints

    def join(self, other: Courier) -> None:
        """Count what another one did as well."""
        self.created |= other.created
        self._others.append(other)

    def dismiss(self) -> None:
        """Let threads end; connections stay open for others in this process."""
        self.delivery.dismiss()

    def _carried(self, to: str, parcels: list[Parcel]) -> Iterator[tuple[Parcel, str]]:
        """Yield what could not be delivered: first all together, then one by one those that others held up."""
        if not parcels:
            return
        if why := self.refuses(to):
            yield from ((parcel, why) for parcel in parcels)
            return
        if self._misses[to] >= TIRED:
            yield from ((parcel, self._words[to]) for parcel in parcels)
            return
        self.delivery.folder.mkdir(parents=True, exist_ok=True)
        if self._delivered(to, parcels):
            return
        left = list(self.delivery.left)
        if len(parcels) == 1:
            yield from ((parcel, str(error)) for parcel, error in left)
            return
        for parcel, error in reversed(left):  # the first is the one that was tried
            if self._misses[to] >= TIRED or not self._delivered(to, [parcel]):
                yield parcel, self._words.get(to, str(error))

    def _delivered(self, to: str, parcels: list[Parcel]) -> bool:
        if self.delivery.deliver(parcels, self._pause(to)):
            self._misses[to] = 0
            return True
        self._words[to] = self.delivery.trouble or "the endpoint gave no answer"
        self._misses[to] = self._misses[to] + 1 if len(self.delivery.left) == len(parcels) else 0
        return False

    def _pause(self, to: str) -> Callable[[float, bool], bool]:
        deadline = time.monotonic() + (0.0 if self._misses[to] else self.patience)
        proof = time.monotonic() + PROOF

        def pause(seconds: float, asked: bool) -> bool:
            alone = all(getattr(error, "alone", False) for _, error in self.delivery.left)
            if time.monotonic() + seconds > (max(deadline, proof) if alone else deadline):
                return False
            time.sleep(seconds)
            return True

        return pause


def key_of(run: str, to: str) -> str:
    """Return what stands for a run in `stuck`; what concerns no run stands under its endpoint."""
    return run or f"@{to}"


def _waits(parcel: Parcel, stuck: dict[str, str]) -> bool:
    """True when a run, or the parent that it starts under, is stuck; then it is as well."""
    key = key_of(parcel.run, parcel.to)
    if key in stuck:
        return True
    for record in parcel.records:
        if isinstance(record, RunStarted) and record.parent in stuck:
            stuck[key] = f"its parent waits: {stuck[record.parent]}"
            return True
    return False
