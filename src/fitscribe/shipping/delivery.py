"""Delivery: parcels to their endpoints, again and again until each is written or refused for good."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from fitscribe.dialects import Dialect
from fitscribe.dialects.parcels import Parcel, Refusal
from fitscribe.errors import TransportError
from fitscribe.guard import guarded, inform, log, quietly
from fitscribe.records import RunEnded
from fitscribe.shipping.crew import Crew
from fitscribe.shipping.letters import set_aside
from fitscribe.shipping.sorting import waves

__all__ = ["Delivery"]

FIRST = 0.25  # seconds until the second attempt; doubled from one to the next
LONGEST = 60.0
LONGEST_ASKED = 600.0  # that a server may keep us waiting by Retry-After
BUGS_SAID = 3  # errors of our own before the log has enough of them
SEVERAL = 3  # requests in a row on which an endpoint breaks down, after which the others wait for the next round
SAID_AFTER = 2  # failed attempts in a row before the user hears of it


class Delivery:
    """Knows which endpoints were used, and what went wrong last."""

    def __init__(self, dialect_for: Callable[[str], Dialect], folder: Path) -> None:
        """`folder` is where dead letters go, and is named to the user as the place where records wait."""
        self.dialect_for, self.folder = dialect_for, folder
        self.trouble = ""
        self.retries = 0  # rounds in which an endpoint did not take everything
        self.set_aside = 0  # records that went to the dead letters
        self._used: dict[str, Dialect] = {}
        self._crew: Crew[Parcel] = Crew()
        self._failures = 0
        self._idle = 0  # rounds in a row in which nothing at all was taken
        self._bugs = 0

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life from any endpoint."""
        return max((dialect.moved for dialect in list(self._used.values())), default=0.0)

    def traffic(self) -> tuple[int, int, int]:
        """Return the requests made so far, and the bytes sent and received with them."""
        roads = [getattr(dialect, "transport", dialect) for dialect in list(self._used.values())]
        count = [sum(getattr(road, name, 0) for road in roads) for name in ("requests", "sent", "received")]
        return count[0], count[1], count[2]

    def deliver(self, parcels: Sequence[Parcel], pause: Callable[[float, bool], bool]) -> bool:
        """Deliver all parcels; False when `pause` said to stop before that.

        `pause(seconds, asked)` waits between attempts; it may be cut short, unless the endpoint asked for it.
        """
        for wave in chain(waves(parcels), map(self._closing, [parcels])):
            left = self._attempt(wave)
            while left:
                error = self._worst(left)
                if not pause(_delay(self._idle, error), error.wait > 0):
                    return False
                left = self._attempt([parcel for parcel, _ in reversed(left)])  # first those that were not tried
        return True

    def close(self) -> None:
        """Let threads end and connections go."""
        self._crew.dismiss()
        for dialect in self._used.values():
            dialect.close()

    def _attempt(self, parcels: Sequence[Parcel]) -> list[tuple[Parcel, TransportError]]:
        """Try each parcel; after a failure no more of the same endpoint, which would fail as well.

        What the endpoint breaks down on may be that one request's fault: then the others have their turn.
        Return what is left, those that were tried first.
        """
        failed: dict[str, TransportError] = {}
        broken: Counter[str] = Counter()
        left: list[tuple[Parcel, TransportError]] = []
        untried: list[tuple[Parcel, TransportError]] = []

        def one(parcel: Parcel) -> None:
            if parcel.to in failed:
                untried.append((parcel, failed[parcel.to]))
                return
            error = self._write(parcel)
            if error is None:
                broken[parcel.to] = 0
                return
            left.append((parcel, error))
            broken[parcel.to] += 1
            if broken[parcel.to] == SEVERAL or not getattr(error, "alone", False):
                failed.setdefault(parcel.to, error)

        self._crew.each(one, parcels, self._hands(parcels))
        left += untried
        self._idle = 0 if not left else 1 if len(left) < len(parcels) else self._idle + 1
        self._report(left)
        return left

    def _closing(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Return a last parcel for each run that ended, unless one above it that is still open will look after it."""
        found = []
        for parcel in parcels:
            if any(isinstance(record, RunEnded) for record in parcel.records) and self._tidies(parcel):
                above = parcel.book.get(parcel.address.parent)
                if not above or above.ended:
                    last = Parcel(parcel.run, parcel.to, [], parcel.book, parcel.folders)
                    last.closing = True
                    found.append(last)
        return found

    def _tidies(self, parcel: Parcel) -> bool:
        address = parcel.address
        if address.foreign or address.guest or address.refused:
            return False
        return bool(getattr(self._used.get(parcel.to), "tidies", False))

    def _hands(self, parcels: Sequence[Parcel]) -> int:
        with contextlib.suppress(ImportError, TransportError):  # which writing will meet as well
            return max((self._dialect(parcel.to).parallel for parcel in parcels if parcel.to), default=1)
        return 1

    def _write(self, parcel: Parcel) -> TransportError | None:
        """Write one parcel, and set aside what of it was refused."""
        if not parcel.to:
            parcel.refuse(parcel.records, "nobody said to which endpoint this run goes")
        else:
            outcome = self._tried(parcel)
            if isinstance(outcome, TransportError):
                return outcome
            if outcome is False:  # better set aside than lost, or repeated for ever
                parcel.refuse(parcel.records, "an error of fitscribe itself; see the log")
        if parcel.refused:
            refused, parcel.refused = parcel.refused, []
            self.set_aside += len(refused)
            self.keep_aside(parcel, refused)
        return None

    def keep_aside(self, parcel: Parcel, refused: Sequence[Refusal]) -> None:
        """Keep what an endpoint refused for good."""
        set_aside(self.folder, parcel, refused)

    def _tried(self, parcel: Parcel) -> TransportError | bool:
        """Return True, or what may pass, or False after an error of our own, which is said a few times only."""
        outcome: TransportError | bool = False
        if self._bugs >= BUGS_SAID:
            return quietly(self._written, parcel, default=outcome)
        with guarded("writing to the endpoint"):
            outcome = self._written(parcel)
        self._bugs += outcome is False
        return outcome

    def _written(self, parcel: Parcel) -> TransportError | bool:
        try:
            self._dialect(parcel.to).write(parcel)
        except TransportError as error:
            return error
        except ImportError as error:  # an installation that is broken, or just being changed, can be mended
            return TransportError(f"{parcel.to}: what is needed to write there cannot be imported ({error})", wait=60)
        return True

    def _dialect(self, to: str) -> Dialect:
        if to not in self._used:
            self._used[to] = self.dialect_for(to)
        return self._used[to]

    def _worst(self, left: Sequence[tuple[Parcel, TransportError]]) -> TransportError:
        return max((error for _, error in left), key=lambda error: error.wait)

    def _report(self, left: Sequence[tuple[Parcel, TransportError]]) -> None:
        if not left:
            if self._failures >= SAID_AFTER:
                inform("delivery goes on; what was wrong: %s", self.trouble)
            self._failures, self.trouble = 0, ""
            return
        worst = self._worst(left)
        self._failures += 1
        self.retries += 1
        self.trouble = str(worst)
        if worst.lasting and self._failures == 1:
            self._failures = SAID_AFTER
        if all(getattr(error, "awaited", False) for _, error in left):
            self._failures = min(self._failures, SAID_AFTER - 1)  # soon there, and looked for again as soon
        elif self._failures == SAID_AFTER:
            log().warning(
                "%s%s Your training goes on; what is recorded waits in %s and is sent when it can be",
                *(self.trouble, "" if self.trouble.endswith(("?", ".")) else ".", self.folder),
            )


def _delay(failures: int, error: TransportError) -> float:
    """Return the seconds until the next attempt: doubled each time, and jittered, or all clients march in step."""
    own = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)
    return max(own, min(error.wait, LONGEST_ASKED))
