"""Delivery: parcels to their endpoints, again and again until each is written or refused for good."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from fitscribe.dialects import Dialect
from fitscribe.dialects.parcels import Parcel
from fitscribe.errors import TransportError
from fitscribe.guard import guarded, inform, log, quietly
from fitscribe.journal.crew import Crew
from fitscribe.journal.letters import set_aside
from fitscribe.journal.sorting import waves

__all__ = ["Delivery"]

FIRST = 0.25  # seconds until the second attempt; doubled from one to the next
LONGEST = 60.0
LONGEST_ASKED = 600.0  # that a server may keep us waiting by Retry-After
BUGS_SAID = 3  # errors of our own before the log has enough of them
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
        for wave in waves(parcels):
            left = self._attempt(wave)
            while left:
                error = self._worst(left)
                if not pause(_delay(self._failures, error), error.wait > 0):
                    return False
                left = self._attempt([parcel for parcel, _ in left])
        return True

    def close(self) -> None:
        """Let threads end and connections go."""
        self._crew.dismiss()
        for dialect in self._used.values():
            dialect.close()

    def _attempt(self, parcels: Sequence[Parcel]) -> list[tuple[Parcel, TransportError]]:
        """Try each parcel; after the first failure no more of the same endpoint, which would fail as well."""
        failed: dict[str, TransportError] = {}
        left: list[tuple[Parcel, TransportError]] = []

        def one(parcel: Parcel) -> None:
            error = failed.get(parcel.to) or self._write(parcel)
            if error is not None:
                failed.setdefault(parcel.to, error)
                left.append((parcel, error))

        self._crew.each(one, parcels, self._hands(parcels))
        self._report(left)
        return left

    def _hands(self, parcels: Sequence[Parcel]) -> int:
        with contextlib.suppress(ImportError):  # which writing will meet as well
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
            set_aside(self.folder, parcel, refused)
        return None

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
        self._failures += 1
        self.retries += 1
        self.trouble = str(self._worst(left))
        if self._failures == SAID_AFTER:
            log().warning(
                "%s%s Your training goes on; what is recorded waits in %s and is sent when it can be",
                *(self.trouble, "" if self.trouble.endswith(("?", ".")) else ".", self.folder),
            )


def _delay(failures: int, error: TransportError) -> float:
    """Return the seconds until the next attempt: doubled each time, and jittered, or all clients march in step."""
    own = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)
    return max(own, min(error.wait, LONGEST_ASKED))
