"""Hugging Face transformers: a run for each `Trainer.train`, heard by a callback that is there for the call alone."""

import contextlib
from collections.abc import Generator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from fitscribe import Integration, active_run, guarded
from fitscribe.models import trainers

integration = Integration("transformers", requires="transformers>=4.46", tested="<5.24", options={"checkpoint": False})
integration.ranks(lambda call: (call.target.args.process_index, call.target.args.world_size))
_runs: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # of trainers, for what they find and save later


@guarded("what a Trainer tells")
def _heard(run: Any, call: Any, args: Any, state: Any, control: Any, model: Any, logs: Any = None, **more: Any) -> None:
    run.log_metrics(logs or {}, state.global_step)
    if logs is None:  # a training begins
        run.log_params(trainers.params(args, model, call.argument("resume_from_checkpoint")))
        for path, content in trainers.whole(args, model).items():
            run.log_dict(content, path)


@integration.around("transformers.trainer:Trainer+.train")
def _train(call: Any) -> Generator[None, Any, None]:
    from transformers.trainer_callback import TrainerCallback

    trainer, follower = call.target, TrainerCallback()
    with call.run(trainers.name_of(trainer)) as run:
        _runs[trainer] = run
        follower.on_train_begin = follower.on_log = partial(_heard, run, call)
        trainer.add_callback(follower)
        try:
            yield
        finally:
            trainer.pop_callback(follower)
            run.log_metrics(trainers.outcome(trainer.state), trainer.state.global_step)


@integration.around("transformers.trainer:Trainer+.save_model", nested=True)
def _save_model(call: Any) -> Generator[None, Any, None]:
    yield
    run, folder = _runs.get(call.target), call.argument("output_dir") or call.target.args.output_dir
    if run is not None and (call.outer is None or call.outer.function.__name__ != "save_model"):
        for path, file in trainers.files(folder).items() if call.options["checkpoint"] else ():
            run.log_checkpoint(file, f"checkpoints/{path}")
        run.later(lambda: [run.log_table(each, "checkpoints.json") for each in trainers.weights(folder)])


@integration.around("transformers.trainer:Trainer+.log")
@integration.around("transformers.trainer:Trainer+.predict")
@integration.around("transformers.trainer:Trainer+.evaluate")
def _measured(call: Any) -> Generator[None, Any, None]:
    known = _runs.get(call.target) or (None if call.options["exclusive"] else active_run())
    with contextlib.nullcontext(known) if known else call.run(trainers.name_of(call.target)) as run:
        result = yield
        run.log_metrics(getattr(result, "metrics", result or call.argument("logs")), call.target.state.global_step)
