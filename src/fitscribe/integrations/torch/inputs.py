"""What a loop trains on: of tensors in memory their digest; of other data how much there is, and how a batch looks."""

from __future__ import annotations

import functools
import hashlib
import json
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fitscribe import guarded

if TYPE_CHECKING:
    from fitscribe.integrations.torch.epochs import Pass

__all__ = ["FirstBatch", "in_memory", "log"]


class FirstBatch:
    """Looks at the first batch that an iterator gives to the loop; no batch is drawn for it."""

    key = "the first batch of a DataLoader"

    def __init__(self, passing: Pass, iterator: Any) -> None:
        """Stand before the `__next__` of the iterator's class until that batch has come."""
        watched = weakref.ref(iterator)
        self.owner = _definer(type(iterator))
        self.before = before = vars(self.owner)["__next__"]

        @functools.wraps(before)
        def looking(asked: Any) -> Any:
            batch = before(asked)
            if watched() is asked:
                self.undo()
                with guarded("looking at a batch"):
                    passing.batch = _specs(batch)
            return batch

        self.ours = looking
        self.owner.__next__ = looking

    @property
    def there(self) -> bool:
        """True until it has seen its batch."""
        return vars(self.owner).get("__next__") is self.ours

    def undo(self) -> None:
        """Put back what was there, unless somebody else has replaced ours since."""
        if self.there:
            self.owner.__next__ = self.before


def _definer(kind: type) -> Any:
    return next(each for each in kind.__mro__ if "__next__" in vars(each))


def _specs(batch: Any) -> dict[str, list[dict[str, Any]]]:
    """Return types and shapes of a batch's tensors: features, and of a pair the second as targets, as MLflow has it."""
    pair = isinstance(batch, (list, tuple)) and len(batch) == 2
    parts = {"features": batch[0], "targets": batch[1]} if pair else {"features": batch}
    found = {name: list(_tensors(part)) for name, part in parts.items()}
    return {name: specs for name, specs in found.items() if specs}


def _tensors(part: Any, name: str = "") -> Any:
    if hasattr(part, "detach"):
        spec = {"dtype": str(part.dtype).removeprefix("torch."), "shape": [-1, *part.shape[1:]]}
        yield {**({"name": name} if name else {}), "type": "tensor", "tensor-spec": spec}
    elif isinstance(part, Mapping):
        for key, each in part.items():
            yield from _tensors(each, f"{name}/{key}".strip("/"))
    elif isinstance(part, (list, tuple)):
        for place, each in enumerate(part):
            yield from _tensors(each, f"{name}/{place}".strip("/"))


def in_memory(data: Any) -> list[Any]:
    """Return the tensors of a TensorDataset as arrays, where they lie in memory; of anything else nothing.

    Anything else would have to be read, which may cost as much as to train.
    """
    tensors = getattr(data, "tensors", None)
    if not isinstance(tensors, (list, tuple)) or any(each.device.type != "cpu" for each in tensors):
        return []
    if any("bfloat" in str(each.dtype) or "float8" in str(each.dtype) for each in tensors):  # numpy has none of these
        return []
    return [each.detach().numpy() for each in tensors]


@guarded("describing the data")
def log(run: Any, passing: Pass) -> None:
    """Record the data of a pass as a dataset input of the training."""
    data = passing.data()
    arrays = in_memory(data)
    if arrays:
        run.log_data(arrays[0], arrays[1] if len(arrays) > 1 else None, context="train")
        return
    known = {"dataset": passing.facts["dataset"], "num_rows": passing.facts.get("dataset_size")}
    schema = {name: json.dumps(specs) for name, specs in passing.batch.items()}
    told = json.dumps([known, schema], sort_keys=True)
    facts = {
        "digest": hashlib.sha256(told.encode()).hexdigest()[:8],
        "schema": json.dumps({"mlflow_tensorspec": {"features": None, "targets": None, **schema}}) if schema else "",
        "profile": json.dumps({**known, "digest_of": "the kind of data, not its content"}),
    }
    run.log_dataset(facts, "train")
