"""Evaluation after a training: what `evaluate` finds goes to the run of the model that it is about."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import fitscribe
from fitscribe import guarded
from fitscribe.integrations.identity import ByIdentity
from fitscribe.integrations.keras import inputs
from fitscribe.integrations.keras.joining import Listener, follows

__all__ = ["recorded", "remember", "trained"]

_trained: ByIdentity[tuple[Any, int]] = ByIdentity()
"""The run and the last epoch of each model that was trained here; nothing is put on the models."""


@guarded("remembering the model's run")
def remember(model: Any, run: Any, epoch: int | None) -> None:
    """Say in which run a model was trained, and how far."""
    _trained.put(model, (run, epoch or 0))


def trained(model: Any) -> tuple[Any, int]:
    """Return the run that a model was trained in, and how far; None and 0 for one that was not trained here."""
    return _trained.get(model) or (None, 0)


class Findings(Listener):
    """What an evaluation found, by names, as Keras tells its callbacks."""

    found: Mapping[str, float] = {}

    def test_end(self, logs: Mapping[str, float]) -> None:
        """Keep what was found."""
        self.found = dict(logs)


def recorded(call: Any) -> Generator[None, Any, None]:
    """Record an evaluation in the model's run, or in the user's; a model that has neither is asked in peace."""
    model = call.target
    findings = Findings(model)
    with follows(findings, call.argument("callbacks")):
        yield
    run, epoch = trained(model)
    found = {f"validation_{key}": value for key, value in findings.found.items()}
    if run is not None:
        run.log_metrics(found, step=epoch)
        if call.options["log_datasets"]:
            inputs.log(run, inputs.of_call(call), None, context="eval")
    elif found and fitscribe.active_run() is not None:
        fitscribe.log_metrics(found)
