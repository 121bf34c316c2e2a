"""The contract of an integration, as one call: `check_contract(integration, use)` tries all that a good one survives.

`use` is a small training with the real framework, which returns something that can be compared. A whole file of tests:

    import fakeml
    from fakeml_fitscribe import integration
    from fitscribe.testing import check_contract

    def use():
        return fakeml.train({"rounds": 3})

    def test_the_contract():
        check_contract(integration, use)

Each check has a name and a promise; those that are broken are told together, with what was seen.
"""

from __future__ import annotations

import contextvars
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fitscribe import config
from fitscribe.errors import MisuseError
from fitscribe.guard import outcome
from fitscribe.integration import Integration
from fitscribe.testing.contract import failing, faults, fresh, hands, recording, switching, together
from fitscribe.testing.contract.scene import NotTried, Scene
from fitscribe.testing.isolation import apart, fresh_delivery

__all__ = ["NAMES", "check_contract"]

HERE = (*recording.CHECKS, *hands.CHECKS, *failing.CHECKS, *faults.CHECKS, *switching.CHECKS, *together.CHECKS)
NAMES = tuple(check.__name__ for check in (*HERE, *fresh.CHECKS))
"""The checks, in the order in which they are made."""

ALL_FRESH = "fresh_processes"  # stands for all checks that need processes of their own


def check_contract(
    integration: Integration,
    use: Callable[[], Any],
    *,
    same: Callable[[Any, Any], Any] | None = None,
    options: Mapping[str, Any] | None = None,
    skip: Mapping[str, str] | None = None,
    only: tuple[str, ...] = (),
    trials: int = 12,
    seconds: float = 60.0,
    tell: Callable[[str], object] = print,
) -> dict[str, str]:
    """Try all that an integration must survive; `AssertionError` names each promise that was broken, and what was seen.

    `use()` trains, from the same seed each time, and returns what is compared: numbers, arrays, models by their
    attributes, or whatever `same(one, other)` says is the same. It stands at the top level of a file, so that fresh
    processes can call it. `options` are the integration's own for all trainings. `skip` maps the name of a check
    to the reason why it is left out (`fresh_processes` are all that need a process); `only` are the ones to make.
    At most `trials` places are chosen at which a word fails; no training may take more than `seconds`. The lines of
    progress go to `tell`. Returns by name how each check went: `kept`, or why it was left out or could not be tried.

    `MisuseError`: a check that is not there, one left out for no reason, or a `use` that no other process can find.
    """
    skipped = _reasons(dict(skip or {}), only)
    scene = Scene(integration, use, same, options or {}, trials, seconds)
    # in a context of its own: no run of the user's is active in there
    return contextvars.Context().run(_all, scene, skipped, tell)


def _reasons(skip: dict[str, str], only: tuple[str, ...]) -> dict[str, str]:
    """Return why which checks are left out."""
    if unknown := sorted({*skip, *only} - {*NAMES, ALL_FRESH}):
        raise MisuseError(f"there is no check {unknown[0]!r}; there are {', '.join(NAMES)}")
    for name, reason in skip.items():
        if not isinstance(reason, str) or not reason.strip():
            raise MisuseError(f"skip={{{name!r}: {reason!r}}}: say why it is left out")
    if ALL_FRESH in skip:
        skip.update({check.__name__: skip[ALL_FRESH] for check in fresh.CHECKS})
    if only:
        skip.update({name: "not asked for" for name in NAMES if name not in only})
    return skip


def _all(scene: Scene, skipped: Mapping[str, str], tell: Callable[[str], object]) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="fitscribe-contract-") as folder, apart(), fresh_delivery():
        config.configure(dir=str(Path(folder) / "late"))  # what is said after a recorder has gone
        began = time.monotonic()
        scene.prepare()
        tell(f"{scene.integration.name}: three trainings took {time.monotonic() - began:.1f} s")
        found = _Checks(scene, skipped, tell).made(Path(folder))
    broken = {name: words for name, words in found.items() if words.startswith(_Checks.BROKEN)}
    if broken:
        raise AssertionError(_report(scene.integration.name, broken, len(found)))
    return found


class _Checks:
    """All checks, one after the other."""

    BROKEN = "broken: "

    def __init__(self, scene: Scene, skipped: Mapping[str, str], tell: Callable[[str], object]) -> None:
        self.scene, self.skipped, self.tell = scene, skipped, tell
        self.found: dict[str, str] = {}

    def made(self, folder: Path) -> dict[str, str]:
        """Make the checks; those in fresh processes are begun first and asked last."""
        wanted = [check for check in fresh.CHECKS if check.__name__ not in self.skipped]
        processes = fresh.Fresh(self.scene, folder) if wanted else None
        try:
            if processes is not None:
                gone = f"http://127.0.0.1:{fresh.closed_port()}"
                processes.begin("autolog first", **fresh.PATIENT)
                processes.begin("framework first", MLFLOW_TRACKING_URI=gone, FITSCRIBE_EXIT_PATIENCE="1")
            for check in HERE:
                self.make(check)
            for other in fresh.CHECKS:
                self.make(other, processes)
        finally:
            if processes is not None:
                processes.close()
        return self.found

    def make(self, check: Callable[..., None], *more: object) -> None:
        """Make one check, and tell how it went."""
        name = check.__name__
        if name in self.skipped:
            self.found[name] = f"left out: {self.skipped[name]}"
        else:
            began = time.monotonic()
            error = outcome(check, self.scene, *more)
            self.scene.integration.disable()
            self.found[name] = self.verdict(check, error)
            took = time.monotonic() - began
            self.tell(f"{self.scene.integration.name}: {name}: {self.found[name]} ({took:.1f} s)")

    def verdict(self, check: Callable[..., None], error: Any) -> str:
        """Say how a check went, by what it raised."""
        if isinstance(error, NotTried):
            return f"not tried: {error}"
        return f"{self.BROKEN}{_words(check, error)}" if isinstance(error, Exception) else "kept"


def _words(check: Callable[..., None], error: Exception) -> str:
    """Name the promise, and what was seen."""
    promised = (check.__doc__ or check.__name__).partition("\n\n")[0].strip()
    if isinstance(error, AssertionError):
        return f"{promised} But {error}"
    trace = "".join(traceback.format_exception(error)).strip()
    return f"{promised} But the training raised {error!r}:\n{trace}"


def _report(name: str, broken: Mapping[str, str], number: int) -> str:
    lines = [f"the integration for {name} breaks {len(broken)} of {number} promises"]
    lines += [f"{check}: {words.removeprefix(_Checks.BROKEN)}" for check, words in broken.items()]
    return "\n\n".join(lines)
