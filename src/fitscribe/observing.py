"""One watched call: the integration's hook runs around the user's function, and can do it no harm."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from fitscribe import afterwards, pace
from fitscribe.calls import Call, Hook, StepAside, busy, unwatched
from fitscribe.guard import guarded, quiet, quietly
from fitscribe.overhead import ours
from fitscribe.patching import passing, unseen

if TYPE_CHECKING:
    from fitscribe.integration import Integration

__all__ = ["Call", "Hook", "observe", "observe_some", "unwatched"]


def observe(
    integration: Integration,
    hook: Hook,
    nested: bool,
    original: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call `original` exactly once, with the hook's first half before it and its second half after it."""
    around = busy.get()
    if around is True or (around and not nested):
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            unseen(error)
            raise
    call = Call(integration, original, args, kwargs)
    call.inside, call.outer = bool(around), None if isinstance(around, bool) else around()
    token = busy.set(weakref.ref(call))
    hushed = quiet.set(bool(integration.options.get("silent")))
    try:
        running = _first_half(hook, call, args, kwargs)
        if running is None and call.owned is None:
            busy.reset(token)
            token = None  # type: ignore[assignment]
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
        if token is not None:
            busy.reset(token)
        quiet.reset(hushed)


observe.__code__ = passing(observe.__code__)


def observe_some(
    when: Callable[[], bool],
    observer: Callable[..., Any],
    original: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call `original` exactly once, observed only where `when` says so."""
    try:
        return observer(original, args, kwargs) if quietly(when, default=True) else original(*args, **kwargs)
    except BaseException as error:
        unseen(error)
        raise


observe_some.__code__ = passing(observe_some.__code__)


def _first_half(
    hook: Hook, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[None, Any, None] | None:
    with ours(), guarded(_title(hook, call, "before the call")):
        candidate = hook(call)
        if not hasattr(candidate, "send"):
            raise TypeError(f"a hook is a generator with one `yield`; this one returned {type(candidate).__name__}")
        try:
            next(candidate)
        except (StopIteration, StepAside):
            return None  # it returned before its yield: not its call
        if not call.kwargs.keys() <= kwargs.keys():
            _see_that_it_fits(call, args, kwargs)
        return candidate
    return None


def _see_that_it_fits(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise `TypeError` where the function takes what the user wrote, and not what the hook made of it."""
    import inspect

    signature = inspect.signature(call.function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return  # the user's own mistake, of which the function tells
    try:
        signature.bind(*call.args, **call.kwargs)
    except TypeError as error:
        raise TypeError(f"{error}; `call.replace` puts a value where the user gave one") from None


def _second_half(
    hook: Hook, call: Call, running: Generator[None, Any, None] | None, error: BaseException | None, result: Any = None
) -> None:
    with ours(), afterwards.held():
        try:
            if running is not None:
                with guarded(_title(hook, call, "after the call"), unless=error):
                    _resume(running, error, result)
        except BaseException as stopped:  # Ctrl-C, while we write the model
            error = stopped
            raise
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


def _title(hook: Hook, call: Call, when: str) -> str:
    module = str(getattr(hook, "__module__", "")).rpartition(".")[2]
    return f"the integration {call.integration.name} ({module}.{getattr(hook, '__name__', 'hook')}, {when})"
