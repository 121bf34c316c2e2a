"""One watched call: the integration's hook runs around the user's function, and can do it no harm."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

from fitscribe import afterwards, pace, ranks
from fitscribe.config import forget, settings
from fitscribe.current import current, entered
from fitscribe.guard import guarded, quiet, warn_once
from fitscribe.overhead import ours
from fitscribe.patching import passing, unseen
from fitscribe.run import Run, outlet, status_of

if TYPE_CHECKING:
    from fitscribe.integration import Integration

__all__ = ["Call", "Hook", "observe", "unwatched"]

Hook: TypeAlias = Callable[["Call"], Generator[None, Any, None]]

_busy: ContextVar[Call | bool] = ContextVar("fitscribe.busy", default=False)  # the watched call that is under way
_NOTHING: Any = object()


class StepAside(Exception):
    """Raised by `call.run()` where this call is not to be recorded."""


class unwatched:
    """`with unwatched():` - calls of watched functions in this block are not recorded (in this context)."""

    __slots__ = ("token",)

    def __enter__(self) -> None:
        self.token = _busy.set(True)

    def __exit__(self, *_: object) -> None:
        _busy.reset(self.token)


class Call:
    """A call of a watched function, as its hook sees it.

    `args` and `kwargs` may be replaced before the `yield`. Where the hook fails before it, the user's function
    gets the user's own arguments.
    """

    def __init__(
        self, integration: Integration, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Hold what the user wrote."""
        self.integration, self.function = integration, function
        self.args, self.kwargs = args, dict(kwargs)
        self.owned: Run | None = None
        self.inside = False  # another watched call, of whatever integration; only `nested` hooks see such a one
        self.outer: Call | None = None  # that call
        self.state = SimpleNamespace()  # whatever this hook has to say to those of calls inside this one

    @property
    def target(self) -> Any:
        """The object whose method is called (of a plain function: its first argument)."""
        return self.args[0] if self.args else None

    @property
    def options(self) -> Mapping[str, Any]:
        """The integration's options as they stand."""
        return self.integration.options

    def argument(self, name: str, default: Any = None) -> Any:
        """Return an argument by its name, given by position or by keyword, or the function's own default."""
        if name in self.kwargs:
            return self.kwargs[name]
        place, fallback = _parameters(self.function).get(name, (None, _NOTHING))
        if place is not None and place < len(self.args):
            return self.args[place]
        return default if fallback is _NOTHING else fallback

    def run(self, name: str = "", tags: Mapping[str, object] | None = None, *, joins: bool = False) -> entered:
        """Return, for `with`, the run to write to.

        That is the user's active run if no autologging wrote to it yet, a new child of it for a second training,
        or a run of our own; the latter two end with the call, by how the user's function ends. On another rank than
        the one that records, the hook ends here.

        With `joins`, a call inside another watched one (a booster's `train` inside scikit-learn's `fit`) writes to
        the run of that one, where it has a run.
        """
        above = current()
        if joins and self.inside and above is not None and above.autologged:
            return entered(above)
        if (ranks.aside() if above is None else above.aside) or (  # another rank records what is trained here
            above is not None and above.by_user and self.options.get("exclusive")
        ):
            raise StepAside
        if above is not None and not above.autologged and above.by_user:
            above.autologged = True
            return entered(above)
        labels = {"mlflow.autologging": self.integration.name, **(self.options.get("extra_tags") or {}), **(tags or {})}
        self.owned = self._begun(name or type(self.target).__name__, above, labels)
        self.owned.autologged = True
        return entered(self.owned)

    def _begun(self, name: str, above: Run | None, labels: Mapping[str, object]) -> Run:
        """Begin a run; or take up, unseen, the one that this process was told to write to."""
        told = "" if above is not None else settings().run_id
        if not told:
            return Run.start(name, parent=above, tags=labels)
        forget("run_id")
        run = Run.attach(told, outlet().address()[0])
        run.set_tags(labels)
        return run

    def warn_once(self, message: str, *args: object) -> None:
        """Say something on the logger `fitscribe` the first time in this process that these very words come up.

        At WARNING; at DEBUG under `silent=True`.
        """
        warn_once(message, *args)

    def close(self, error: BaseException | None) -> None:
        """End the run that was opened for this call: only the user's function decides how."""
        if self.owned is not None:
            self.owned.end(status_of(error))


_known: weakref.WeakKeyDictionary[Callable[..., Any], dict[str, tuple[int | None, Any]]] = weakref.WeakKeyDictionary()


def _parameters(function: Callable[..., Any]) -> dict[str, tuple[int | None, Any]]:
    """Map each parameter to its place (None: by keyword only) and its default."""
    known = _known.get(function)
    if known is None:
        known = _known[function] = _read(function)
    return known


def _read(function: Callable[..., Any]) -> dict[str, tuple[int | None, Any]]:
    import inspect

    found: dict[str, tuple[int | None, Any]] = {}
    for place, parameter in enumerate(inspect.signature(function).parameters.values()):
        by_place = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        default = _NOTHING if parameter.default is parameter.empty else parameter.default
        found[parameter.name] = (place if by_place else None, default)
    return found


def observe(
    integration: Integration,
    hook: Hook,
    nested: bool,
    original: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call `original` exactly once, with the hook's first half before it and its second half after it."""
    if _busy.get() and not nested:
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            unseen(error)
            raise
    call = Call(integration, original, args, kwargs)
    around = _busy.get()
    call.inside, call.outer = bool(around), around if isinstance(around, Call) else None
    busy = _busy.set(call)
    hushed = quiet.set(bool(integration.options.get("silent")))
    try:
        running = _first_half(hook, call)
        if running is None and call.owned is None:
            _busy.reset(busy)
            busy = None  # type: ignore[assignment]
        with pace.training():
            try:
                result = original(*call.args, **call.kwargs) if running else original(*args, **kwargs)
            except BaseException as error:
                unseen(error)
                trace = error.__traceback__
                _second_half(hook, call, running, error)
                BaseException.with_traceback(error, trace)
                raise
            _second_half(hook, call, running, None, result)
            return result
    finally:
        if busy is not None:
            _busy.reset(busy)
        quiet.reset(hushed)


observe.__code__ = passing(observe.__code__)


def _first_half(hook: Hook, call: Call) -> Generator[None, Any, None] | None:
    with ours(), guarded(f"{_title(hook)} (before the call)"):
        candidate = hook(call)
        try:
            next(candidate)
        except (StopIteration, StepAside):
            return None  # it returned before its yield: not its call
        return candidate
    return None


def _second_half(
    hook: Hook, call: Call, running: Generator[None, Any, None] | None, error: BaseException | None, result: Any = None
) -> None:
    with ours(), afterwards.held():
        try:
            if running is not None:
                with guarded(f"{_title(hook)} (after the call)", unless=error):
                    _resume(running, error, result)
        finally:
            call.close(error)


def _resume(running: Generator[None, Any, None], error: BaseException | None, result: Any) -> None:
    try:
        if error is None:
            running.send(result)
        else:
            running.throw(error)
    except StopIteration:
        return
    running.close()
    raise RuntimeError("a hook has one yield; this one has a second")


def _title(hook: Hook) -> str:
    return f"{hook.__module__.rpartition('.')[2]}.{getattr(hook, '__name__', hook)}"
