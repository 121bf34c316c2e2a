"""The one place that swallows errors: ours, never the user's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import logging

__all__ = ["guarded", "inform", "log", "outcome", "quiet", "quietly", "warn_once"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

quiet: ContextVar[bool] = ContextVar("fitscribe.quiet", default=False)
"""True while an integration with `silent=True` works: what it has to say goes to DEBUG."""

_said: set[str] = set()


def log() -> logging.Logger:
    """Return the logger `fitscribe`; it gets no handler from us (`logging` is imported on first use)."""
    import logging

    return logging.getLogger("fitscribe")


def inform(message: str, *args: object) -> None:
    """Say something that is no trouble, at INFO."""
    (log().debug if quiet.get() else log().info)(message, *args)


def warn_once(message: str, *args: object) -> None:
    """Warn the first time in this process that these very words come up."""
    text = message % args if args else message
    if text not in _said:
        _said.add(text)
        (log().debug if quiet.get() else log().warning)("%s", text)


class guarded:
    """Log and swallow any `Exception` of our own code; as `with guarded("saving the model"):` or as a decorator.

    `KeyboardInterrupt` and `SystemExit` pass: they are the user's. A class and not a generator, since it
    stands in training loops (0.3 µs instead of 1.4).
    """

    __slots__ = ("unless", "what")

    def __init__(self, what: str, unless: BaseException | None = None) -> None:
        """`what` completes "... failed; your training goes on without it"; the error `unless` is dropped unsaid."""
        self.what, self.unless = what, unless

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        if error is self.unless:
            return True
        if not isinstance(error, Exception):
            return False
        try:
            self._say(error)
        except Exception:
            return True  # a user's log handler that raises must not end the training either
        return True

    def _say(self, error: Exception) -> None:
        """Log an error with its traceback, the first time in this process that it comes up here; then at DEBUG."""
        key = f"{self.what}: {type(error).__name__}"
        say = log().debug if quiet.get() or key in _said else log().warning
        _said.add(key)
        say("%s failed; your training goes on without it", self.what, exc_info=error)

    def __call__(self, function: F) -> F:
        """Guard every call of `function`; a failed call returns None."""
        what = self.what

        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            try:  # not `with`: in a training loop each call of ours costs more than its work
                return function(*args, **kwargs)
            except Exception as error:
                guarded(what).__exit__(type(error), error, None)
                return None

        return inner  # type: ignore[return-value]


def quietly(function: Callable[..., T], *args: object, default: T) -> T:
    """Call `function(*args)`, or return `default` when it raises.

    For asking the user's objects about themselves (`str`, `len`, `shape`), where no answer is an answer too.
    """
    try:
        return function(*args)
    except Exception:
        return default


def outcome(function: Callable[..., T], *args: object) -> T | Exception:
    """Call `function(*args)`; return its result, or what it raised, for code of others whose errors we pass on."""
    try:
        return function(*args)
    except Exception as error:
        return error
