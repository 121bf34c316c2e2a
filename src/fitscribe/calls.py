"""Call: a call of a watched function, as the hook of an integration sees it, and what the hook can do with it."""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

from fitscribe import ranks
from fitscribe.config import forget, settings
from fitscribe.current import current, entered, follow
from fitscribe.guard import guarded, warn_once
from fitscribe.overhead import ours
from fitscribe.patching import passing, unseen
from fitscribe.run import Run, outlet, status_of

if TYPE_CHECKING:
    from fitscribe.integration import Integration

__all__ = ["Call", "Hook", "StepAside", "busy", "unwatched"]

Hook: TypeAlias = Callable[["Call"], Generator[None, Any, None]]

# The watched call that is under way, weakly: work in the background has a copy of the context, and is not to keep what
# the user has let go of.
busy: ContextVar[weakref.ref[Call] | bool] = ContextVar("fitscribe.busy", default=False)
_NOTHING: Any = object()


class StepAside(Exception):
    """Raised by `call.run()` where this call is not to be recorded."""


class unwatched:
    """`with unwatched():` - calls of watched functions in this block are not recorded (in this context).

    No hook sees them, `nested` or not.
    """

    __slots__ = ("token",)

    @staticmethod
    def here() -> bool:
        """True in such a block, and inside a watched call: what happens is recorded by somebody else, or by nobody."""
        return bool(busy.get())

    def __enter__(self) -> None:
        self.token = busy.set(True)

    def __exit__(self, *_: object) -> None:
        busy.reset(self.token)


class Call:
    """A call of a watched function, as its hook sees it.

    `args` and `kwargs` may be replaced before the `yield`. Where the hook fails before it, the user's function
    gets the user's own arguments.

    Chapter two for authors, after that of `integration.py`: here the framework has an estimator as well, whose `fit`
    calls `train`. A watched call inside a watched call passes unseen, unless its hook is `nested`; then it may join the
    run of the call around it, and read there what that one's hook left in `state`.

    >>> class Model:
    ...     depth = 3
    ...     def fit(self, X, *, sure=True):
    ...         return fakeml.train({"depth": self.depth}, rounds=len(X))
    >>> fakeml.Model = Model
    >>> integration = Integration("fakeml", requires="fitscribe")
    >>> @integration.around("fakeml:Model.fit")
    ... def fit(call):
    ...     if not call.argument("sure"):
    ...         return  # before the `yield`: not mine, nothing is recorded
    ...     call.state.rows = len(call.argument("X"))
    ...     with call.run(type(call.target).__name__, tags={"estimator": "Model"}) as run:
    ...         yield
    >>> @integration.around("fakeml:train", nested=True)
    ... def training(call):
    ...     with call.run("fakeml", joins=True) as run:
    ...         if call.outer is not None:
    ...             run.log_params({"rows": call.outer.state.rows})
    ...         call.replace("rounds", 1)
    ...         call.warn_once("fakeml is watched for one round")
    ...         result = yield
    ...         run.log_text(result, "result.txt")

    >>> integration.enable()
    >>> with Recorder() as recorder:
    ...     fakeml.Model().fit([1, 2])
    'a model'
    >>> run = recorder.run("Model")  # the one run of both calls
    >>> recorder.params(run), recorder.artifacts(run), recorder.tags(run)["estimator"]
    ({'rows': '2'}, {'result.txt': b'a model'}, 'Model')

    A search calls the user's function itself, each time in a run of its own; a training that is no call, such as a loop
    of the user's, keeps its run until its object is gone.

    >>> class Loop:
    ...     def step(self, loss): ...
    >>> fakeml.Loop = Loop
    >>> fakeml.tune = lambda objective, trials: min(map(objective, range(trials)))
    >>> @integration.around("fakeml:tune")
    ... def tuning(call):
    ...     with call.run("tune") as run, run.search("loss", total=call.argument("trials")) as search:
    ...         objective = call.argument("objective")
    ...         def tried(trial):
    ...             loss = objective(trial)
    ...             search.done(trial, loss)
    ...             return loss
    ...         call.replace("objective", call.within(tried, search.running))
    ...         yield
    >>> fakeml.attempt = lambda trial: 1 / (1 + trial)  # where the framework has a function of its own for each trial
    >>> fakeml.sweep = lambda trials: [fakeml.attempt(trial) for trial in range(trials)]
    >>> @integration.around("fakeml:sweep")
    ... def sweeping(call):
    ...     with call.run("sweep") as run, run.search("loss") as call.state.search:
    ...         yield
    >>> @integration.around("fakeml:attempt", nested=True)
    ... def attempting(call):
    ...     with call.entering(call.outer.state.search.running(call.argument("trial"))):
    ...         loss = yield
    ...     call.outer.state.search.done(call.argument("trial"), loss)
    >>> runs = {}
    >>> @integration.around("fakeml:Loop.step")
    ... def stepping(call):
    ...     if id(call.target) not in runs:
    ...         with call.run("loop") as run:
    ...             runs[id(call.target)] = run
    ...             call.keep(until_gone=call.target)
    ...     runs[id(call.target)].log_metrics({"loss": call.argument("loss")})
    ...     yield

    >>> integration.disable()
    >>> integration.enable()
    >>> with Recorder() as recorder:
    ...     best = fakeml.tune(lambda trial: 1 / (1 + trial), 2)
    ...     losses = fakeml.sweep(2)
    ...     loop = Loop()
    ...     loop.step(0.5)
    ...     loop.step(0.25)
    ...     del loop
    >>> run = recorder.run("tune")
    >>> [each.name for each in recorder.children(run)], recorder.metrics(run)["best_loss"]
    (['trial 0', 'trial 1'], 0.5)
    >>> len(recorder.children(recorder.run("sweep")))
    2
    >>> recorder.metrics(recorder.run("loop")), recorder.status(recorder.run("loop"))
    ({'loss': 0.25}, 'FINISHED')
    >>> integration.disable()
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

    def replace(self, name: str, value: Any) -> None:
        """Give the user's function another value for an argument, where the user gave it: by place or by keyword."""
        place, _ = _parameters(self.function).get(name, (None, _NOTHING))
        if name not in self.kwargs and place is not None and place < len(self.args):
            self.args = (*self.args[:place], value, *self.args[place + 1 :])
        else:
            self.kwargs[name] = value

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
        if (self._of_another_rank() if above is None else above.aside) or (  # another rank records what is trained here
            above is not None and above.by_user and self.options.get("exclusive")
        ):
            raise StepAside
        labels = {"mlflow.autologging": self.integration.name, **(self.options.get("extra_tags") or {})}
        if above is not None and not above.autologged and (above.by_user or above.offered):
            above.autologged, above.labels = True, labels
            return entered(above)
        self.owned = self._begun(name or type(self.target).__name__, above, {**labels, **(tags or {})})
        self.owned.autologged, self.owned.labels = True, labels
        return entered(self.owned)

    def within(
        self, function: Callable[..., Any], block: Callable[..., AbstractContextManager[Run]]
    ) -> Callable[..., Any]:
        """Return `function` for the framework to call, often and in whatever thread, each time in a run of its own.

        `block` gets the same arguments and returns the `with` block of that run, such as `search.running(key)`. What
        the user's function trains in there is recorded below that run, though it is inside this call.
        """

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with Within(partial(block, *args, **kwargs), apart=True):
                try:
                    return function(*args, **kwargs)
                except BaseException as error:
                    unseen(error)
                    raise

        within.__code__ = passing(within.__code__)  # type: ignore[attr-defined]
        return within

    def entering(self, block: AbstractContextManager[Run]) -> Within:
        """Return, for `with` around the `yield`, the run that this call goes on in, such as `search.running(key)`."""
        return Within(lambda: block, apart=False)

    def _of_another_rank(self) -> bool:
        """True where another process records this training; the integration may know more than the environment."""
        told = ranks.Rank()
        if self.integration.place is not None:
            with guarded("asking the framework for the rank"):
                found = self.integration.place(self)
                told = ranks.Rank(int(found[0]), int(found[1]), self.integration.name) if found else told
        return ranks.aside(told)

    def _begun(self, name: str, above: Run | None, labels: Mapping[str, object]) -> Run:
        """Begin a run; or take up, unseen, the one that this process was told to write to."""
        told = "" if above is not None else settings().run_id
        if not told:
            return Run.start(name, parent=above, tags=labels)
        forget("run_id")
        run = Run.attach(told, outlet().address()[0])
        run.set_tags(labels)
        return run

    def keep(self, until_gone: object = None) -> bool:
        """Let the run that was begun for this call go on after it, as a loop's does; whoever keeps it ends it.

        Or it ends when the object `until_gone` is let go of, at the latest with the process. What the user logs
        meanwhile in this thread, with no run of their own, goes there. False: the run is theirs.
        """
        kept, self.owned = self.owned, None
        if kept is not None:
            follow(kept)
            if until_gone is not None:
                weakref.finalize(until_gone, _let_go, kept).atexit = False
        return kept is not None

    def warn_once(self, message: str, *args: object) -> None:
        """Say something on the logger `fitscribe` the first time in this process that these very words come up.

        At WARNING; at DEBUG under `silent=True`.
        """
        warn_once(message, *args)

    def close(self, error: BaseException | None) -> None:
        """End the run that was opened for this call: only the user's function decides how."""
        if self.owned is not None:
            self.owned.end(status_of(error))


def _let_go(run: Run) -> None:
    """End a run in the background: it may be the collector of garbage that asks, in a thread that holds any lock."""
    if run.process == os.getpid():
        run.later(run.end)


class Within:
    """A block in a run that lies below that of the call; `apart`, what is trained in there is not inside the call."""

    __slots__ = ("apart", "block", "busy", "inside", "run")

    def __init__(self, block: Callable[[], AbstractContextManager[Run]], apart: bool) -> None:
        """`block` is asked for the run when the block begins; where it fails, nothing in here has a run from it."""
        self.block, self.apart = block, apart
        self.run: entered | None = None

    def __enter__(self) -> None:
        with ours(), guarded("beginning a part of a training"):
            inside = self.block()
            self.run = entered(inside.__enter__())
            self.inside = inside
            self.run.__enter__()
        self.busy = busy.set(False if self.apart else busy.get())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        busy.reset(self.busy)
        if self.run is not None:
            with ours(), guarded("ending a part of a training", unless=error):
                self.run.__exit__()
                self.inside.__exit__(kind, error, trace)


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
