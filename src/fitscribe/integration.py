"""Integration: what one framework's autologging is made of.

An integration is one module with one `Integration` object and a generator for each watched function: what
stands above its `yield` runs before the user's call, what stands below runs after it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

from fitscribe import imports, patching
from fitscribe.errors import MisuseError, NotBuiltYet, Unavailable
from fitscribe.guard import guarded, inform, log
from fitscribe.observing import Hook, observe

__all__ = ["COMMON", "Integration"]

H = TypeVar("H", bound=Hook)

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
        self.name, self.requires, self.also, self.tested = name, requires or name, also, tested
        self.defaults = {**COMMON, **(options or {}), **(not_built or {})}
        self.not_built = dict(not_built or {})
        self.options: Mapping[str, Any] = dict(self.defaults)
        self.checks: dict[str, Callable[[Any], str]] = {}
        self.hooks: list[tuple[str, Hook, bool]] = []
        self.patches: list[patching.Patch] = []
        self.enabled = False
        self._waiting: list[imports.Callback] = []
        self._explicit: dict[str, Any] = {}
        self._for_all: dict[str, Any] = {}
        self._switching = threading.RLock()

    def around(self, target: str, *, nested: bool = False) -> Callable[[H], H]:
        """Watch a target (see `patching`) with the decorated generator.

        A watched call inside a watched call passes unseen, so that fits inside a fit make no runs of their own;
        `nested=True` is for a hook that has to see those as well.
        """
        patching.split(target)

        def declare(hook: H) -> H:
            self.hooks.append((target, hook, nested))
            return hook

        return declare

    def check(self, option: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
        """Decorate a function that says what is wrong with a value of `option`, or ""."""

        def declare(problem: Callable[[Any], str]) -> Callable[[Any], str]:
            self.checks[option] = problem
            return problem

        return declare

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
                say = log().debug if self.options["silent"] else log().warning
                self.disable()
                say("autologging for %s is off: %s", self.name, untried)
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
            if not self.options["silent"]:
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
                self.patches.append(patching.replace(module, target, partial(observe, self, hook, nested)))
            except (Unavailable, TypeError) as error:
                self.disable()
                log().warning("autologging for %s is off: %s", self.name, error)

    def _untried(self, wary: bool) -> str:
        """Say why nobody knows that it works with the installed version, or ""; raise what is known not to work."""
        try:
            found = self._version()
        except Unavailable as reason:
            if not wary:
                raise
            return str(reason)
        from packaging.specifiers import SpecifierSet

        if SpecifierSet(self.tested).contains(found, prereleases=True):
            return ""
        return f"it was tested with {self.tested} and this is {found}"

    def _version(self) -> str:
        from importlib.metadata import PackageNotFoundError, version

        from packaging.requirements import Requirement

        wanted = Requirement(self.requires)
        for each in (wanted.name, *self.also):
            with contextlib.suppress(PackageNotFoundError):
                found = version(each)
                break
        else:
            raise Unavailable(f"{self.name}: {wanted.name} is not installed")
        if not wanted.specifier.contains(found, prereleases=True):
            raise Unavailable(f"{self.name}: found {wanted.name} {found}, and this needs {wanted.specifier}")
        return found


def _kind_problem(default: Any, value: Any) -> str:
    """Compare a value's type with the default's; None as a default says nothing."""
    if default is None or value is None or isinstance(value, type(default)):
        return ""
    return f"is a {type(value).__name__}; it should be a {type(default).__name__}"
