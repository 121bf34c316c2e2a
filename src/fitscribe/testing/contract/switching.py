"""Checks of where an integration cannot work: framework missing, too old, or changed; it says so and does nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

from fitscribe import guard
from fitscribe.errors import Unavailable
from fitscribe.integration import Integration
from fitscribe.observing import Call
from fitscribe.testing.contract.scene import Scene, promise
from fitscribe.testing.isolation import heard
from fitscribe.versions import Framework

__all__ = ["CHECKS"]


def requires_a_version(scene: Scene) -> None:
    """`requires` names the oldest version that it works with, and the installed one is not older."""
    wanted = scene.integration.framework.wanted
    promise(wanted.specifier, f"requires={scene.integration.requires!r} names no version; write '{wanted.name}>=...'")
    scene.integration.framework.version()


def too_old(scene: Scene) -> None:
    """Where the framework is too old it is not switched on, and says which version it needs."""
    found = scene.integration.framework
    with _for_another(scene.integration, Framework(found.name, f"{found.wanted.name}>=9999", found.distributions, "")):
        _stays_off(scene, "too old", ">=9999")


def not_installed(scene: Scene) -> None:
    """Where the framework is not installed it is not switched on, and says so."""
    name = "a-framework-that-nobody-has"
    with _for_another(scene.integration, Framework(scene.integration.name, name, (), "")):
        _stays_off(scene, "not installed", name)


@contextlib.contextmanager
def _for_another(integration: Integration, framework: Framework) -> Iterator[None]:
    before, integration.framework = integration.framework, framework
    try:
        yield
    finally:
        integration.framework = before


def _stays_off(scene: Scene, why: str, word: str) -> None:
    """See that asking for it by name raises, and that a careful `autolog()` is told in one line."""
    integration = scene.integration
    try:
        with heard():
            integration.enable()
    except Unavailable as reason:
        promise(word in str(reason), f"{why}: the error does not say {word!r}: {reason}")
    else:
        raise AssertionError(f"{why}, and it was switched on")
    finally:
        on = integration.enabled
        integration.disable()
    promise(not on, f"{why}, and it calls itself enabled")
    guard._said.clear()
    with heard() as lines:
        integration.configure({"disable_for_unsupported_versions": True}, explicit=True)
        integration.enable()
        on, said = integration.enabled, [each.getMessage() for each in lines]
        integration.disable()
    promise(not on and len(said) == 1 and word in said[0], f"{why}: it said {said}, enabled={on}")
    scene.compare(scene.train(), f"where the framework is {why}")


def a_name_is_gone(scene: Scene) -> None:
    """Where the framework has lost a name that is watched, the integration switches itself off with one line."""
    target = scene.integration.hooks[0][0]
    gone = f"{target.partition(':')[0]}:no_such_name_any_more"

    def hook(call: Call) -> Generator[None, Any, None]:
        yield

    scene.integration.hooks.append((gone, hook, False))
    try:
        guard._said.clear()
        with heard() as lines:
            scene.integration.enable()
            result, on = scene.train(), scene.integration.enabled
            said = [each.getMessage() for each in lines if each.levelname == "WARNING"]
            scene.integration.disable()
    finally:
        scene.integration.hooks.pop()
    promise(not on and len(said) == 1, f"{gone} is watched and not there: it said {said}, enabled={on}")
    scene.compare(result, "where a name of the framework is gone")


CHECKS = (requires_a_version, too_old, not_installed, a_name_is_gone)
