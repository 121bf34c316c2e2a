"""The tokens of a search filter or ordering, taken one after the other, and errors that point at their place."""

from __future__ import annotations

import re

from fitscribe.errors import FilterError

__all__ = ["Scanner"]

SPACE = re.compile(r"\s*")
WINDOW = 60  # characters shown on either side of the place of an error
CLOSING = {"'": "a single quote", '"': "a double quote", "`": "a backtick"}


class Scanner:
    """Walks over a text from left to right; white space between tokens means nothing."""

    def __init__(self, text: str, what: str) -> None:
        """`what` is what the text is to the user: a filter, or an order_by."""
        self.text, self.what, self.place = text, what, 0
        self._skip()

    def _skip(self) -> None:
        found = SPACE.match(self.text, self.place)
        self.place = found.end() if found else self.place

    @property
    def done(self) -> bool:
        """True at the end of the text."""
        return self.place >= len(self.text)

    def take(self, pattern: re.Pattern[str]) -> str:
        """Take the token here if it looks so, else return an empty text."""
        found = pattern.match(self.text, self.place)
        if not found:
            return ""
        self.place = found.end()
        self._skip()
        return found.group()

    def symbol(self, sign: str) -> bool:
        """Take one sign if it is the next."""
        if not self.text.startswith(sign, self.place):
            return False
        self.place += len(sign)
        self._skip()
        return True

    def quoted(self, quotes: str) -> str | None:
        """Take what stands in one of these quotes; None where no quote is open. There is no escape for a quote."""
        opening = self.text[self.place : self.place + 1]
        if not opening or opening not in quotes:
            return None
        end = self.text.find(opening, self.place + 1)
        if end < 0:
            raise self.error(f"{CLOSING[opening]} that closes the one here")
        content = self.text[self.place + 1 : end]
        self.place = end + 1
        self._skip()
        return content

    def error(self, expected: str, place: int | None = None) -> FilterError:
        """Return the error for a place (the current one by default) where something else was expected."""
        place = self.place if place is None else place
        found = self.text[place : place + 20].split(maxsplit=1)
        seen = repr(found[0]) if found and place < len(self.text) else "the end"
        return self.trouble(f"expected {expected}, found {seen}", place)

    def trouble(self, message: str, place: int | None = None) -> FilterError:
        """Return an error that shows the text, with a caret under the place."""
        place = self.place if place is None else place
        start = max(0, place - WINDOW) if len(self.text) > 2 * WINDOW else 0
        shown = re.sub(r"\s", " ", self.text[start : start + 2 * WINDOW])
        dots = "..." if start else ""
        return FilterError(f"Invalid {self.what}: {message}\n  {dots}{shown}\n  {' ' * (len(dots) + place - start)}^")
