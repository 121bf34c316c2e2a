"""`tf.summary`: what a loop writes goes to the run that is active, or to one of ours for its folder.

Eager writes are heard as they are made. Those of a `tf.function` pass no Python but once, when it is traced: from
then on the folder that they go to is read instead, in the background. A value is never counted twice.
"""

from __future__ import annotations

import functools
import os
import sys
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import fitscribe
from fitscribe import guarded
from fitscribe.integrations.tensorflow import values
from fitscribe.integrations.tensorflow.places import Place, place_of

__all__ = ["begun", "closed", "entered", "unheard", "written"]

_deaf: ContextVar[bool] = ContextVar("fitscribe.tensorflow.deaf", default=False)
_places: weakref.WeakKeyDictionary[Any, Place] = weakref.WeakKeyDictionary()
"""The place that each writer writes to."""


@contextmanager
def unheard() -> Iterator[None]:
    """Hear nothing of what is written in this block."""
    token = _deaf.set(True)
    try:
        yield
    finally:
        _deaf.reset(token)


@guarded("watching a summary writer")
def begun(call: Any) -> None:
    """Know a writer that was just made by the folder it writes to."""
    keywords = getattr(call.argument("init_op_fn"), "keywords", {})
    folder = keywords.get("logdir")
    if folder is not None and hasattr(folder, "numpy"):
        _known(call.target, os.fsdecode(folder.numpy()).rstrip("/\\"))


def _known(writer: Any, folder: str) -> Place:
    place = _places[writer] = place_of(folder)
    place.opened(writer)
    weakref.finalize(writer, place.closed, id(writer)).atexit = False
    return place


@guarded("closing a summary writer")
def closed(writer: Any) -> None:
    """Say that a writer writes no more; with its folder's last one our run for that folder ends."""
    if (place := _places.get(writer)) is not None:
        place.closed(id(writer))


def entered(call: Any) -> Generator[None, Any, None]:
    """Of a folder that is read, what is written from here on belongs to the run that is active now.

    A function that was traced in another run is not traced again, and would tell of no change.
    """
    place = _places.get(call.target._writer)
    if place is not None and place.read is not None:
        place.read.into(_users_run(call) or place.training.own(call))
    yield


def written(call: Any) -> Generator[None, Any, None]:
    """Record one summary, after it was written."""
    writer = _state().writer
    if writer is None or _deaf.get() or not call.options["log_summaries"]:
        return
    place = _places.get(writer) or _known(writer, "")
    run = _users_run(call) or place.training.own(call)
    yield
    _record(call, place, run)


def _users_run(call: Any) -> Any:
    """Return the run that is active, unless nothing may be added to it; None where there is none."""
    handle = fitscribe.active_run()
    return None if handle is None or call.options["exclusive"] else handle.run


@functools.cache
def _state() -> Any:
    """Return what knows the default writer of each thread: `tf.summary` has no public word for it."""
    return sys.modules["tensorflow.python.ops.summary_ops_v2"]._summary_state


def _record(call: Any, place: Place, run: Any) -> None:
    step, value = call.args[1:3]
    if not hasattr(value, "numpy"):
        place.traced(run)
        return
    if place.read is not None:
        return
    place.training.at = at = round(time.time() * 1000)
    if len(call.args) == 3:
        run.later(partial(values.record_raw, run, place.prefix, value, int(step), at))
        return
    tag, told = call.args[3:5]
    plugin = _plugin(told if isinstance(told, bytes) else told.numpy())
    key = place.prefix + (tag if isinstance(tag, str) else tag.numpy().decode())
    if plugin == "scalars":
        run.log_metrics({key: float(value.numpy())}, int(step), at)
    else:
        run.later(partial(values.record, run, key, plugin, value, int(step), at))


@functools.lru_cache(256)
def _plugin(metadata: bytes) -> str:
    """Return the kind of a summary, as the part of TensorBoard that shows it is called."""
    from tensorflow.core.framework.summary_pb2 import SummaryMetadata

    return str(SummaryMetadata.FromString(metadata).plugin_data.plugin_name)
