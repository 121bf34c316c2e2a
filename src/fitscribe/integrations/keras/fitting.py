"""What is recorded of one `fit`: before it its configuration, in it its epochs, after it how it ended and the model."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from fitscribe.integrations.keras import evaluation, inputs, keeping, loops, settings, stopping, tuning
from fitscribe.integrations.keras.follower import Follower
from fitscribe.integrations.keras.joining import follows

__all__ = ["recorded"]


def recorded(call: Any, prefix: str) -> Generator[None, Any, None]:
    """Record a call of `fit`; the keys of the optimizer begin with `prefix`."""
    model, options = call.target, call.options
    if not tuning.is_recorded(call):
        return
    loops.over(model)
    with tuning.fitting(call, type(model).__name__) as run:
        given = call.argument("callbacks")
        data = inputs.of_call(call)
        settings.log(run, call, data.batch_size, prefix)
        follower = Follower(run, model, options, given, data, call.warn_once)
        stopping.log_settings(run, follower.callbacks)
        clock = time.perf_counter()
        with follows(follower, given):
            yield
        run.log_metrics({"fit_time": time.perf_counter() - clock})
        follower.finish()
        evaluation.remember(model, run, follower.epoch)
        if options["log_models"] and not call.inside:
            keeping.log(run, call, data, follower.passing)
