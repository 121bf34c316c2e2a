"""How our callback joins the list of a fit where Keras's own integration does not: by other names, so that both may."""

from __future__ import annotations

from typing import Any

from fitscribe import guarded
from fitscribe.integrations.keras.joining import expected, joined

__all__ = ["goes_in", "joins"]


@guarded("joining Keras's callbacks")
def joins(call: Any) -> None:
    """Add our callback to a list of Keras 3 that was just told its parameters."""
    made = call.target
    mine = expected(made._model)  # not `model`: on JAX to ask for that brings the state back from the device
    if mine is not None:
        joined(made, mine)


@guarded("joining Keras's callbacks")
def goes_in(call: Any) -> None:
    """Add our callback to those that a list of `tf_keras` is made of: by them it tells who wants to hear of batches."""
    mine = expected(call.argument("model"))
    if mine is None:
        return
    given = call.argument("callbacks")
    both = [*given, mine] if isinstance(given, (list, tuple)) else [mine] if given is None else [given, mine]
    if len(call.args) > 1:
        call.args = (call.args[0], both, *call.args[2:])
    else:
        call.kwargs["callbacks"] = both
