"""The data of a call, told without taking anything from it: arrays, tf.data, PyDatasets, DataLoaders, generators."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fitscribe import guarded
from fitscribe.models import kinds

__all__ = ["Data", "log", "of_call"]

DEFAULT_BATCH = 32  # rows, of Keras where it cuts arrays itself
SAME_BATCHES = tuple(
    f"_{kind}Dataset" for kind in ("Repeat", "Prefetch", "Options", "Shuffle", "Cache", "Take", "Skip")
)


class Data(NamedTuple):
    """The data of one call."""

    x: Any
    y: Any
    batch_size: Any  # rows; None where nobody can know without taking a batch
    validation: Any = None
    sample: Any = None  # arrays whose first rows tell what the model takes; None for what is used up by a look


def of_call(call: Any) -> Data:
    """Look at the arguments of `fit` or `evaluate`."""
    x, y = call.argument("x"), call.argument("y")
    cut = _is_cut(x)
    size = call.argument("batch_size") or (DEFAULT_BATCH if cut else _batch_size(x))
    return Data(x, y, size, call.argument("validation_data"), x if cut else None)


def _is_cut(x: Any) -> bool:
    """True for what Keras cuts into batches itself: arrays, tensors and frames, alone or several of them."""
    if isinstance(x, (list, tuple)):
        return bool(x) and all(_is_cut(each) or isinstance(each, (int, float)) for each in x[:10])
    if isinstance(x, Mapping):
        return bool(x) and all(map(_is_cut, x.values()))
    return kinds.kind_of(x) in ("array", "frame", "series", "sparse") or _is_tensor(x)


def _is_tensor(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype") and hasattr(x, "__getitem__")


def _batched(x: Any) -> Any:
    """Return the dataset of TensorFlow's that cut the batches, below those that hand them on as they are."""
    for _ in range(20):
        inner = getattr(x, "_input_dataset", None)
        if inner is None or not type(x).__name__.startswith(SAME_BATCHES):
            break
        x = inner
    return x


def _batch_size(x: Any) -> Any:
    """Return what a loader says of itself; a dataset of TensorFlow's knows it in its spec, if it is fixed."""
    told = getattr(x, "batch_size", None) or getattr(_batched(x), "_batch_size", None)
    if told is None and (specs := _specs(x)):
        told = next(iter(specs.values()))[1][0]
    if told is not None and hasattr(told, "numpy"):
        told = int(told.numpy())
    return told if isinstance(told, int) else None


@guarded("recording the data")
def log(run: Any, data: Data, steps: int | None, context: str = "train") -> None:
    """Record the training data as a dataset of the run, and the validation data as one for `eval`."""
    _log(run, data.x, data.y, data.batch_size, steps, context)
    valid = data.validation
    if valid is not None:
        pair = valid if isinstance(valid, tuple) and len(valid) in (2, 3) else (valid, None)
        _log(run, pair[0], pair[1], None, None, "eval")


def _log(run: Any, x: Any, y: Any, batch_size: Any, steps: int | None, context: str) -> None:
    from fitscribe.models import datasets

    if x is None:
        return
    facts = None
    if kinds.kind_of(x) in ("array", "frame", "series", "sparse", "arrays"):
        facts = datasets.describe(x, y if kinds.kind_of(y) in ("array", "frame", "series", "arrays") else None)
    if facts is None:
        facts = _described(x, y, batch_size, steps)
    run.log_dataset(facts, context)


def _described(x: Any, y: Any, batch_size: Any, steps: int | None) -> dict[str, str]:
    """Describe data by what is known without touching a row: its kind, shapes, types and number of rows."""
    features, targets = _specs(x), _specs(y)
    profile: dict[str, Any] = {"kind": f"{type(x).__module__}.{type(x).__qualname__}"}
    rows = _rows(x)
    told = {"num_rows": rows, "batch_size": batch_size, "steps_per_epoch": steps, "cardinality": _cardinality(x)}
    profile |= {name: value for name, value in told.items() if value is not None}
    schema = {
        "mlflow_tensorspec": {
            name: json.dumps([_tensorspec(key, spec) for key, spec in specs.items()]) if specs else None
            for name, specs in (("features", features), ("targets", targets))
        }
    }
    words = json.dumps([profile, schema], sort_keys=True, default=str)
    return {
        "digest": hashlib.md5(words.encode(), usedforsecurity=False).hexdigest()[:8],
        "schema": json.dumps(schema),
        "profile": json.dumps(profile, default=str),
    }


def _tensorspec(name: str, spec: tuple[str, tuple[Any, ...]]) -> dict[str, Any]:
    dtype, shape = spec
    found = {
        "type": "tensor",
        "tensor-spec": {"dtype": dtype, "shape": [-1, *(-1 if d is None else d for d in shape[1:])]},
    }
    return {**found, **({"name": name} if name else {})}


def _specs(x: Any) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Return types and shapes by name; of a lazy dataset from its spec, of a loader or generator none."""
    return dict(_walked(getattr(x, "element_spec", x), ""))


def _walked(spec: Any, name: str) -> Iterator[tuple[str, tuple[str, tuple[Any, ...]]]]:
    if isinstance(spec, Mapping):
        for key, each in spec.items():
            yield from _walked(each, f"{name}.{key}".lstrip("."))
    elif isinstance(spec, (list, tuple)) and not hasattr(spec, "shape"):
        for place, each in enumerate(spec[:100]):
            if hasattr(each, "shape") or isinstance(each, (Mapping, list, tuple)):
                yield from _walked(each, f"{name}.{place}".lstrip("."))
    elif hasattr(spec, "shape") and hasattr(spec, "dtype"):
        shape = getattr(spec.shape, "rank", 0) is not None and tuple(spec.shape)
        if shape:
            dtype = getattr(spec.dtype, "name", None) or str(spec.dtype).removeprefix("torch.")
            yield name, (dtype, tuple(length if length is None else int(length) for length in shape))


def _rows(x: Any) -> int | None:
    """Return the number of rows where asking costs nothing: of tensors, and of a loader over a sized dataset."""
    if isinstance(x, (list, tuple, Mapping)):
        first = next(iter(x.values() if isinstance(x, Mapping) else x), None)
        return _rows(first)
    if hasattr(x, "shape"):
        return int(x.shape[0]) if tuple(x.shape) else None
    inner: Any = getattr(x, "dataset", None)
    if type(x).__module__.startswith("torch.utils.data") and hasattr(type(inner), "__len__"):
        return len(inner)
    return None


def _cardinality(x: Any) -> Any:
    """Return the number of elements of a tf.data dataset; "infinite" and "unknown" are answers as well."""
    if not hasattr(x, "element_spec") or not hasattr(x, "cardinality"):
        return None
    found = int(x.cardinality())
    return {-1: "infinite", -2: "unknown"}.get(found, found)
