"""A model that several processes train together, read in one of them without asking the others.

To save one is a collective operation where its layers or metrics keep a variable for each worker: a chief that saves
alone waits for the others for ever, or takes their next step of training for an answer.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["alone"]

TOGETHER = {"MultiWorkerMirroredStrategy", "CollectiveAllReduceStrategy"}


def alone(model: Any) -> Any:
    """Return a model that can be saved in this process alone: the same one, or a copy with what lies here.

    None where no copy can be made of one, for it has no configuration. Of what each worker has for itself, such as
    the running means of a batch normalization, the copy has this worker's.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or not TOGETHER & {kind.__name__ for kind in type(strategy).__mro__}:
        return model
    with ThreadPoolExecutor(1) as outside:  # a thread of its own is outside of any scope of a strategy
        return outside.submit(_copy, model, strategy).result()


def _copy(model: Any, strategy: Any) -> Any:
    try:
        config = model.get_config()
    except NotImplementedError:
        return None
    copy = type(model).from_config(config)
    if not copy.built:
        copy.build(model.input_shape)
    copy.set_weights([strategy.experimental_local_results(each)[0].numpy() for each in model.weights])
    return copy
