"""autolog(): switch autologging on or off, for all frameworks or for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fitscribe import discovery
from fitscribe.errors import MisuseError, NotBuiltYet

__all__ = ["autolog", "autolog_one"]

# Only what differs is told to the integrations: one that records no models unless it is asked to has its own default.
DEFAULTS = {
    "log_input_examples": False,
    "log_model_signatures": True,
    "log_models": True,
    "log_datasets": True,
    "exclusive": False,
    "disable_for_unsupported_versions": False,
    "silent": False,
}


def autolog(
    *,
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    log_traces: bool = False,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    extra_tags: Mapping[str, str] | None = None,
    exclude_flavors: Iterable[str] | None = None,
) -> None:
    """Record every training run of this process from here on, whatever the framework.

    Nothing is imported and nothing is written now: a framework's integration is loaded when the framework is.
    What a framework's own `autolog` was told wins over what is said here. `disable=True` puts back every function
    as it was. `MisuseError`: an option of the wrong kind; `NotBuiltYet`: `log_traces=True`.
    """
    if log_traces:
        raise NotBuiltYet("log_traces=True is not supported: traces of language models are not recorded here")
    options = {
        "log_input_examples": log_input_examples,
        "log_model_signatures": log_model_signatures,
        "log_models": log_models,
        "log_datasets": log_datasets,
        "exclusive": exclusive,
        "disable_for_unsupported_versions": disable_for_unsupported_versions,
        "silent": silent,
    }
    for name, value in {**options, "disable": disable}.items():
        if not isinstance(value, bool):
            raise MisuseError(f"autolog: {name} is True or False, not {value!r}")
    if disable:
        discovery.disable()
        return
    if problem := tags_problem(extra_tags):
        raise MisuseError(f"autolog: extra_tags={extra_tags!r} {problem}")
    without = frozenset([exclude_flavors] if isinstance(exclude_flavors, str) else exclude_flavors or ())
    said = {name: value for name, value in options.items() if value is not DEFAULTS[name]}
    discovery.enable_all({**said, "extra_tags": extra_tags}, without, _ready)


def autolog_one(name: str, options: Mapping[str, Any]) -> None:
    """Record the training runs of one framework; options that are not given stay as they were told before.

    `Unavailable`: the framework is not installed in a version this works with. `MisuseError`: an option that the
    integration does not have or a value it cannot take; `NotBuiltYet`: one that the field knows and we lack.
    """
    if options.get("disable"):
        if len(options) > 1:
            discovery.integration(name).configure(options, explicit=True)  # what is wrong is said here as well
        discovery.disable(name)
        return
    _ready()
    discovery.enable(name, options)


def tags_problem(tags: object) -> str:
    """Say what is wrong with `extra_tags`, or "" when nothing is."""
    if tags is None or isinstance(tags, Mapping):
        return ""
    return "is no dict of tag names and values"


def _ready() -> None:
    """Connect the capture wing with delivery: from here on a record is kept."""
    from fitscribe import delivery

    delivery.connect()
