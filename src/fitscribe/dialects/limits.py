"""Limits of one endpoint: those of the protocol, until it says in an answer that its own are smaller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

__all__ = ["Kind", "Limits", "lengths", "room"]

Kind: TypeAlias = Literal["params", "metrics", "tags"]

LONGEST: dict[Kind, int] = {"params": 6000, "tags": 8000}  # characters of a value that every call may have
GUESSES: dict[str, tuple[int, ...]] = {"params": (500, 250), "tags": (5000, 500, 250)}  # of servers, older and other
SHORT = 20  # characters that every server takes
LEAST = 10_000  # bytes below which no request is cut any more
_NAMED = (
    re.compile(r"(?:limit|maximum|max|at most|up to|longer than|more than|exceed(?:s|ed)?|<=?)\D{0,40}?(\d+)", re.I),
    re.compile(r"(\d+)\s*(?:characters|chars|bytes|limit)", re.I),
)
_BATCH = re.compile(r"at most (\d+) (metrics, params,? and tags|params|metrics|tags)\b", re.I)
_MANY = re.compile(r"limit|maximum|at most|too many|exceed|quota|more than", re.I)


class Limits:
    """How much one endpoint takes at once, and how long a value may be."""

    def __init__(self) -> None:
        """Begin with what the protocol grants."""
        self.counts: dict[Kind, int] = {"params": 100, "tags": 100, "metrics": 1000}
        self.in_all = 1000
        self.bytes = 900_000  # of JSON in a request; the protocol's limit is 1 MB
        self._longest = dict(LONGEST)

    def longest(self, kind: Kind) -> int:
        """Return how many characters a value may have."""
        return self._longest.get(kind, 1 << 31)

    def learn_longest(self, kind: Kind, length: int) -> None:
        """A value of this length was taken, and a longer one was not."""
        self._longest[kind] = min(length, self._longest[kind])

    def learn_counts(self, words: str) -> bool:
        """Read from a refusal how many of a kind one request may have; True when that is fewer than we thought."""
        before = dict(self.counts), self.in_all
        for number, what in _BATCH.findall(words):
            most = max(1, int(number))
            if what.lower() in self.counts:
                kind: Kind = what.lower()
                self.counts[kind] = min(self.counts[kind], most)
            else:
                self.in_all = min(self.in_all, most)
        return before != (self.counts, self.in_all)

    def learn_bytes(self, refused: int) -> bool:
        """A request of about so many bytes was too large; True when smaller ones are worth a try."""
        smaller = max(LEAST, min(refused, self.bytes) // 2)
        before, self.bytes = self.bytes, min(self.bytes, smaller)
        return self.bytes < before


def lengths(kind: Kind, value: str, words: str) -> Iterator[int]:
    """Yield lengths to try for a value that was refused, the likeliest first: those named in the server's words."""
    words = words.replace(value, "")
    named = {int(number) for pattern in _NAMED for number in pattern.findall(words)}
    likely = sorted((number for number in named if SHORT <= number < len(value)), reverse=True)
    yield from dict.fromkeys([*likely, *(guess for guess in GUESSES.get(kind, ()) if guess < len(value))])


def room(words: str, there: int) -> int | None:
    """Return how many more params a run may have that has `there`; None where the words speak of no such limit."""
    if "param" not in words.lower() or not _MANY.search(words):
        return None
    named = [int(number) for number in re.findall(r"\d+", words)]
    limit = min((number for number in named if number >= max(there, SHORT)), default=None)
    return None if limit is None else limit - there
