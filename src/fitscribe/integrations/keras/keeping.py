"""The trained model, kept as a model directory of its run."""

from __future__ import annotations

from typing import Any

from fitscribe import guarded
from fitscribe.integrations.tensorflow import workers
from fitscribe.models import examples, kerasspecs, kinds

__all__ = ["log"]

FOR_FLAVOR = ("save_exported_model", "save_model_kwargs", "saved_model_kwargs", "keras_model_kwargs")
UNKEPT = (
    "to save it is a deed of all its workers, and it has no get_config() by which one of them could copy it; "
    "call model.save on each"
)


def log(run: Any, call: Any, data: Any, passing: Any) -> None:
    """Record the model under `model`, by its own description: it is asked for no prediction, and no data are taken.

    `passing` saw what of lazy data the model was given. What cannot be saved is left out, and a tag says why.
    """
    model, options = workers.alone(call.target), call.options
    if model is None:
        call.warn_once("the model is left out: %s", UNKEPT)
        run.set_tags({"fitscribe.model": f"left out: {UNKEPT}"})
        return
    rows = signature = None
    with guarded("looking at the model's data"):
        if data.sample is not None:
            rows = kerasspecs.rows_of(model, data.sample, examples.ROWS)
    with guarded("describing what the model takes"):
        signature = (
            kerasspecs.signature_of(model, _told(data, rows, passing)) if options["log_model_signatures"] else None
        )
    if options["log_input_examples"] and rows is None:
        words = "cannot be looked into without taking from it" if data.sample is None else "has parts without names"
        call.warn_once("no input example: a %s " + words, type(data.x).__name__)
    try:
        run.log_model(
            model,
            "model",
            flavor=call.integration.name,
            model_input=rows,
            signature=signature or False,
            input_example=options["log_input_examples"],
            limit=options["max_model_size"],
            register_as=options["registered_model_name"] or "",
            **{name: options[name] for name in FOR_FLAVOR if name in options},
        )
    except BaseException as stopped:
        run.set_tags({"fitscribe.model": f"left out: {type(stopped).__name__} while it was written"})
        raise


def _told(data: Any, rows: Any, passing: Any) -> Any:
    """Return what tells of types and shapes: a table, the first rows of arrays, what a dataset says or has given."""
    if rows is not None:
        return data.sample if kinds.kind_of(data.sample) in kerasspecs.TABLES else rows
    spec = getattr(data.x, "element_spec", None)
    if spec is None:
        return None if passing is None else passing.told
    return spec[0] if isinstance(spec, tuple) and spec else spec
