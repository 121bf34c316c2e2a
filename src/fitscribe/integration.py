"""Integration: what one framework's autologging is made of.

An integration is one module with one `Integration` object and a generator for each watched function: what
stands above its `yield` runs before the user's call, what stands below runs after it.

This is chapter one of what an author can say; `calls.Call` is the second, `run.py` the third. A test runs them all,
with this framework:

>>> import sys, types
>>> def train(params, rounds=2, callback=None):
...     for step in range(rounds):
...         if callback:
...             callback(step, {"loss": 1 / (step + 1)})
...     return "a model"
>>> fakeml = sys.modules["fakeml"] = types.ModuleType("fakeml")
>>> fakeml.train = train

Its integration stands in a package of its own, `requires="fakeml>=2"`, and its `pyproject.toml` says where:

    [project.entry-points."fitscribe.integrations"]
    fakeml = "fakeml_scribe:integration"

>>> from fitscribe import Integration, guarded
>>> integration = Integration("fakeml", requires="fitscribe", options={"log_rounds": True, "most_rounds": None})
>>> @integration.around("fakeml:train")
... def training(call):
...     with call.run("fakeml") as run:
...         run.log_params(call.argument("params"))
...         if call.options["log_rounds"]:
...             @guarded("a round of fakeml")  # an error of ours in what the framework calls ends no training
...             def each_round(step, metrics):
...                 run.log_metrics(metrics, step)
...             call.replace("callback", each_round)
...         model = yield
...         run.set_tags({"kind": type(model).__name__})

`fitscribe.autolog()` switches it on when `fakeml` is imported, or `fitscribe.fakeml.autolog()` alone. A recorder hears
what comes of it:

>>> from fitscribe.testing import Recorder
>>> integration.enable()
>>> with Recorder() as recorder:
...     fakeml.train({"depth": 3})
'a model'
>>> run = recorder.run("fakeml")
>>> recorder.params(run), recorder.history(run, "loss"), recorder.status(run)
({'depth': '3'}, [(0, 1.0), (1, 0.5)], 'FINISHED')

Options have the type of their defaults; None takes anything, and a check says what it does not take. An option that is
called as one of `fitscribe.autolog()`, such as `log_models`, is told by that as well.

>>> @integration.check("most_rounds")
... def most_rounds(value):
...     return "" if value is None or value > 0 else "is neither None nor a number of rounds from 1"
>>> integration.configure({"most_rounds": 0}, explicit=True)  # what `fitscribe.fakeml.autolog(most_rounds=0)` does
Traceback (most recent call last):
fitscribe.errors.MisuseError: fakeml: most_rounds=0 is neither None nor a number of rounds from 1

Where several processes train one model together and the framework alone knows their ranks, say so; where a call is a
worker's of a training that another process records, return before the `yield`.

>>> fakeml.rank = lambda: 1
>>> @integration.ranks
... def place(call):
...     return fakeml.rank(), 2  # such as xgboost.collective.get_rank() and get_world_size()
>>> with Recorder() as recorder:
...     fakeml.train({})
'a model'
>>> recorder.runs()
[]

>>> integration.disable()
>>> fakeml.train is train
True
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

from fitscribe import imports, patching
from fitscribe.errors import MisuseError, NotBuiltYet, Unavailable
from fitscribe.guard import guarded, inform, log, warn_once
from fitscribe.observing import Call, Hook, observe, observe_some
from fitscribe.versions import Framework

__all__ = ["COMMON", "Integration"]

H = TypeVar("H", bound=Hook)
R = TypeVar("R", bound=Callable[[Call], tuple[int, int] | None])

COMMON: Mapping[str, Any] = {
    "disable": False,
    "disable_for_unsupported_versions": False,
    "exclusive": False,
    "extra_tags": None,
    "silent": False,
}
"""The options that every integration takes, with their defaults: MLflow's words, and their meaning there."""


class Integration:
    """One framework: its name, the versions it works with, its options, and what it watches."""

    def __init__(
        self,
        name: str,
        *,
        requires: str = "",
        also: tuple[str, ...] = (),
        tested: str = "",
        options: Mapping[str, Any] | None = None,
        not_built: Mapping[str, Any] | None = None,
    ) -> None:
        """Name it as the framework is imported; `requires` is a requirement such as `scikit-learn>=1.5`.

        `also` are other distributions that the framework comes in, of the same versions, such as `tensorflow-cpu`.
        `tested` says which of these versions it was tried with, such as `<1.10`: others are recorded as well, unless
        the user said `disable_for_unsupported_versions=True`.
        `options` are its own, with defaults. `not_built` are options that the field knows and this integration
        does not have: only the given value is taken, any other is a clear error instead of being ignored.
        """
        if not all(part.isidentifier() for part in name.split(".")):
            raise MisuseError(f"an integration is named as its framework's module is imported, not {name!r}")
        self.name, self.requires, self.also, self.tested = name, requires or name, also, tested
        self.framework = Framework(name, self.requires, also, tested)
        self.origin: Callable[[], str] = str  # what the package is called that brings it, if it is not ours
        self.defaults = {**COMMON, **(options or {}), **(not_built or {})}
        self.not_built = dict(not_built or {})
        self.options: Mapping[str, Any] = dict(self.defaults)
        self.checks: dict[str, Callable[[Any], str]] = {}
        self.place: Callable[[Call], tuple[int, int] | None] | None = None
        self.hooks: list[tuple[str, Hook, bool]] = []
        self.whens: dict[str, Callable[[], bool]] = {}
        self.patches: list[patching.Patch] = []
        self.enabled = False
        self._waiting: list[imports.Callback] = []
        self._explicit: dict[str, Any] = {}
        self._for_all: dict[str, Any] = {}
        self._switching = threading.RLock()

    def around(self, target: str, *, nested: bool = False, when: Callable[[], bool] | None = None) -> Callable[[H], H]:
        """Watch a target (see `patching`) with the decorated generator.

        A watched call inside a watched call passes unseen, so that fits inside a fit make no runs of their own;
        `nested=True` is for a hook that has to see those as well. `when` is for what is called thousands of times a
        second: it is asked first, and where it says False the call passes unseen, for a tenth of the time.
        """
        patching.split(target)
        if when is not None:
            self.whens[target] = when

        def declare(hook: H) -> H:
            self.hooks.append((target, hook, nested))
            return hook

        return declare

    def check(self, option: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
        """Decorate a function that says what is wrong with a value of an option, or "". `MisuseError`: it has none."""
        if option not in self.defaults:
            raise MisuseError(
                f"{self.name} has no option {option!r} to check; it has {', '.join(sorted(self.defaults))}"
            )

        def declare(problem: Callable[[Any], str]) -> Callable[[Any], str]:
            self.checks[option] = problem
            return problem

        return declare

    def ranks(self, place: R) -> R:
        """Decorate a function that says of a call which one of how many processes trains here: `(rank, world)`.

        For a framework whose processes train one model together and know each other by its own means. Rank 0 records;
        on the others `call.run()` ends the hook, unless the user set FITSCRIBE_RANKS=all. None, and a world of 1, mean
        that nobody else is known: then launchers' variables (torchrun, mpirun, srun) and torch.distributed are asked,
        as they are without such a function.
        """
        self.place = place
        return place

    def configure(self, given: Mapping[str, Any], *, explicit: bool) -> None:
        """Take options: those of the integration's own `autolog` (`explicit`) win over those for all, and stay.

        `MisuseError`: an option it does not have, or a value it cannot take. `NotBuiltYet`: see `not_built`.
        """
        for option, value in given.items():
            self._judge(option, value)
        if explicit:
            self._explicit.update(given)
        else:
            self._for_all = dict(given)
        self.options = {**self.defaults, **self._for_all, **self._explicit}

    def configure_for_all(self, given: Mapping[str, Any]) -> None:
        """Take of the options of `fitscribe.autolog()` those that this integration has.

        A value that it cannot take is left out with a warning: it was not said to this one.
        """
        taken = {}
        for option, value in given.items():
            if option not in self.defaults:
                continue
            try:
                self._judge(option, value)
            except (MisuseError, NotBuiltYet) as problem:
                warn_once("autolog: left out: %s", problem)
            else:
                taken[option] = value
        self.configure(taken, explicit=False)

    def _judge(self, option: str, value: Any) -> None:
        if option not in self.defaults:
            raise MisuseError(f"{self.name} has no option {option!r}; it has {', '.join(sorted(self.defaults))}")
        if option in self.not_built and value != self.not_built[option]:
            raise NotBuiltYet(f"{self.name}: {option}={value!r} is not supported yet; leave it out")
        problem = self.checks[option](value) if option in self.checks else _kind_problem(self.defaults[option], value)
        if problem:
            raise MisuseError(f"{self.name}: {option}={value!r} {problem}")

    def enable(self) -> None:
        """Watch the framework's functions, as soon as their modules are imported. Twice is once.

        `Unavailable`: the framework is not installed, or not in a version that this works with. Where the user said
        `disable_for_unsupported_versions=True`, this and a version that nobody tried are no error but one line.
        """
        with self._switching:
            wary = self.options["disable_for_unsupported_versions"]
            if self.enabled and not wary:
                return
            untried = self._untried(wary)
            if untried and wary:
                self._off(untried)
                return
            if self.enabled:
                return
            self.enabled = True
            for target, hook, nested in self.hooks:
                if not self.enabled:  # a target before this one was gone
                    return
                callback = partial(self._patch, target, hook, nested)
                self._waiting.append(callback)
                imports.when_imported(patching.split(target)[0], callback)
            self._waiting.append(self._look)
            imports.when_imported(self.name, self._look)
            if self.enabled and not self.options["silent"]:
                inform("autologging is on for %s%s", self.name, untried and f", though {untried}")

    def disable(self) -> None:
        """Put back every function that was there, and forget the options. Twice is once."""
        with self._switching:
            for callback in self._waiting:
                imports.forget(callback)
            for patch in reversed(self.patches):
                with guarded(f"putting back {patch.key}"):
                    patch.undo()
            self.patches, self._waiting, self.enabled = [], [], False
            self._explicit, self._for_all, self.options = {}, {}, dict(self.defaults)

    def _patch(self, target: str, hook: Hook, nested: bool, module: ModuleType) -> None:
        """Watch one target, or switch the whole integration off with one line: half of it would tell half-truths."""
        with self._switching:
            if not self.enabled:  # another thread switched it off while this one imported the framework
                return
            try:
                observer, when = partial(observe, self, hook, nested), self.whens.get(target)
                watcher = observer if when is None else partial(observe_some, when, observer)
                self.patches.append(patching.replace(module, target, watcher))
            except (Unavailable, TypeError) as error:
                self._off(error)

    def _look(self, module: ModuleType) -> None:
        """Now that the framework is there: a module that it does not have would be waited for in silence."""
        with self._switching:
            for target, _, _ in self.hooks if self.enabled else ():
                if gone := imports.missing(patching.split(target)[0]):
                    self._off(f"{target}: there is no module {gone!r}")
                    return

    def _off(self, reason: object) -> None:
        """Switch off with one line, which says whose integration it is."""
        say = log().debug if self.options["silent"] else log().warning
        self.disable()
        say("autologging for %s is off: %s", " ".join(filter(None, (self.name, self.origin()))), reason)

    def _untried(self, wary: bool) -> str:
        """Say why nobody knows that it works with the installed version, or ""; raise what is known not to work."""
        try:
            return self.framework.untried()
        except Unavailable as reason:
            if not wary:
                raise
            return str(reason)


def _kind_problem(default: Any, value: Any) -> str:
    """Compare a value's type with the default's; None as a default says nothing."""
    if default is None or value is None or isinstance(value, type(default)):
        return ""
    return f"is a {type(value).__name__}; it should be a {type(default).__name__}"
