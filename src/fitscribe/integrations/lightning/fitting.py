"""What is recorded of one `Trainer.fit`: before it its settings, in it its epochs, after it how it ended."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.lightning import evaluation, joining, keeping, loggers, settings, tuning
from fitscribe.integrations.lightning.follower import Follower

__all__ = ["TAGS", "recorded"]

TAGS = {"mlflow.autologging": "pytorch", "Mode": "training"}  # MLflow's words, for both packages


def recorded(call: Any) -> Generator[None, Any, None]:
    """Record a call of `fit`; one that a tuner makes to try something has no run of its own."""
    trainer, options = call.target, call.options
    model = settings.module_of(call.argument("model"))
    with loggers.held(trainer), call.run(type(model).__name__, TAGS) as run:
        if trainer.fast_dev_run:
            run.set_tags({"fitscribe.fast_dev_run": "true"})
        settings.log_call(run, call)
        tuning.log_found(run, trainer)
        follower = Follower(run, dict(options), call.warn_once)
        joined = joining.Joined(trainer, follower)
        if joined.folder:
            loggers.opened(trainer)
        clock = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - clock
            with guarded("leaving the trainer's callbacks"):
                joined.leave()
            run.log_metrics({"fit_time": seconds})
            follower.finish(trainer)
            evaluation.remember(model, run, follower.epoch)
        if follower.interrupted and call.owned is not None:
            call.owned.end("KILLED")  # older trainers return from Ctrl-C as if all were done
        elif options["log_models"] and not follower.interrupted:
            keeping.log(run, trainer, model, follower, options)
