"""What a Keras model takes and gives, by its own description and the look of its data: it is never asked to predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from fitscribe.models.columns import Type
from fitscribe.models.examples import first_rows
from fitscribe.models.kinds import is_array, is_sparse, kind_of
from fitscribe.models.signature import ModelSignature, schema_of

__all__ = ["TABLES", "Spec", "inputs_of", "rows_of", "signature_of"]

PLAIN = ("float", "int", "uint", "bool", "str", "bytes", "object", "complex")  # dtypes that numpy has by itself
TABLES = ("frame", "series")


class Spec(NamedTuple):
    """Type and shape of one tensor; None is a length that differs from batch to batch."""

    dtype: str
    shape: tuple[int | None, ...]


def signature_of(model: Any, data: Any = None) -> ModelSignature | None:
    """Return what a built model takes and gives; None where neither its layers nor its data tell what it takes.

    `data` is what `rows_of` made, a table, or the `element_spec` of a dataset: where it is known its dtypes are those
    of the signature, for they are what the model will be asked with. Shapes are the model's own, as far as it has any.
    """
    taken = inputs_of(model, data)
    if not taken:
        return None
    made = _structure(model, "output")
    outputs = _named(model, "output", _symbolic(model, data) if made is None else made)
    return ModelSignature(taken, None if outputs is None else _types(outputs))


def inputs_of(model: Any, data: Any = None) -> list[Type] | None:
    """Return the columns or tensors that a model takes; None where nothing tells, or no signature can say it."""
    kind = kind_of(data)
    own = _named(model, "input", _structure(model, "input"))
    if kind in TABLES:
        return schema_of(data, enforceable=True)
    given = _named(model, "input", data)
    if own is None and given is None:
        return None
    if own is None or given is None:
        return _types(own or given or {})
    if own.keys() != given.keys() and len(own) == len(given) == 1:  # one tensor, with a name or without
        given = dict(zip(own, given.values(), strict=True))
    if own.keys() != given.keys():
        return _types(own)
    return _types({name: _merged(spec, given[name]) for name, spec in own.items()})


def _merged(own: Spec, given: Spec) -> Spec:
    return Spec(given.dtype, own.shape if len(own.shape) == len(given.shape) else given.shape)


def _types(specs: Mapping[str, Spec]) -> list[Type] | None:
    """Return tensors as a signature has them; None where one has a dtype that MLflow could not read."""
    found: list[Type] = []
    for name, (dtype, shape) in specs.items():
        if not shape or not dtype.startswith(PLAIN):
            return None
        lengths = [-1, *(-1 if length is None else int(length) for length in shape[1:])]
        spec = {"dtype": dtype.replace("string", "str"), "shape": lengths}
        found.append({**({"name": name} if name else {}), "type": "tensor", "tensor-spec": spec})
    return found or None


def _structure(model: Any, side: str) -> Any:
    """Return the symbolic tensors of a functional model as it was made of them; None for a subclass that has none."""
    functional = getattr(model, "_functional", None) or model  # a Sequential has one inside
    if not getattr(functional, f"{side}s", None):
        return None
    return getattr(functional, side)


def _named(model: Any, side: str, structure: Any) -> dict[str, Spec] | None:
    """Return what is in a flat structure by name; one tensor alone has none. None: a name is missing, or it is deep."""
    if structure is None:
        return None
    if _is_tensor(structure):
        return {"": _spec(structure)}
    if not isinstance(structure, (Mapping, list, tuple)):
        return None
    parts = list(structure.values() if isinstance(structure, Mapping) else structure)
    if not all(map(_is_tensor, parts)):
        return None
    if isinstance(structure, Mapping):
        return {str(key): _spec(each) for key, each in structure.items()}
    names = [""] if len(parts) == 1 else _names(model, side, len(parts))
    return dict(zip(names, map(_spec, parts), strict=True)) if names else None


def _names(model: Any, side: str, count: int) -> list[str]:
    tensors = getattr(getattr(model, "_functional", None) or model, f"{side}s", None) or ()
    if len(tensors) == count:
        told = getattr(model, f"{side}_names", None) or [one._keras_history.operation.name for one in tensors]
        return [str(name) for name in told] if len(set(told)) == count else []
    return [f"{side}_{place}" for place in range(count)] if side == "output" else []


def _is_tensor(thing: Any) -> bool:
    if getattr(getattr(thing, "_keras_history", None), "operation", None) is not None and thing.shape is not None:
        return not getattr(thing._keras_history.operation, "optional", False)  # no signature can say that
    return hasattr(thing, "shape") and hasattr(thing, "dtype")


def _spec(tensor: Any) -> Spec:
    if is_array(tensor) or is_sparse(tensor):
        told = schema_of(tensor)[0]["tensor-spec"]
        return Spec(told["dtype"], tuple(tensor.shape))
    dtype = getattr(tensor.dtype, "name", None) or str(tensor.dtype).removeprefix("torch.")
    rank = getattr(tensor.shape, "rank", 0)
    return Spec(dtype, () if rank is None else tuple(tensor.shape))


def _symbolic(model: Any, data: Any) -> Any:
    """Return what a subclass gives for such data, by Keras's symbolic call of it: nothing is computed.

    What its `call` keeps on the layers is put back: the user may look at it, and these tensors hold nothing.
    """
    import keras

    data = data.to_numpy() if kind_of(data) in TABLES else data

    def symbol(one: Any) -> Any:
        dtype, shape = _spec(one)
        dtype = keras.config.floatx() if dtype.startswith("float") else dtype
        return keras.KerasTensor((None, *shape[1:]), dtype)

    if data is None or not getattr(model, "built", False):
        return None
    with _as_it_was(model):
        return model.compute_output_spec(keras.tree.map_structure(symbol, data))


@contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    before = [(vars(layer), dict(vars(layer))) for layer in model._flatten_layers()]
    try:
        yield
    finally:
        for now, then in before:
            for name in now.keys() - then.keys():
                del now[name]
            now.update(then)


def rows_of(model: Any, data: Any, rows: int) -> Any:
    """Return the first rows of arrays, tensors and tables, as a signature and an example have them: several by name.

    None for lists whose parts have no names, and for what is deeper than one list or dict.
    """
    if isinstance(data, Mapping):
        if not all(map(_is_tensor, data.values())):
            return None
        return {str(name): _array(each, rows) for name, each in data.items()}
    if isinstance(data, (list, tuple)):
        if not all(map(_is_tensor, data)):
            return None
        names = _names(model, "input", len(data)) if len(data) > 1 else []
        arrays = [_array(each, rows) for each in data]
        return arrays[0] if len(arrays) == 1 else dict(zip(names, arrays, strict=True)) if names else None
    return data.iloc[:rows] if kind_of(data) in TABLES else _array(data, rows)


def _array(data: Any, rows: int) -> Any:
    import numpy

    if is_sparse(data):
        return first_rows(data, rows)
    part = data.iloc[:rows].to_numpy() if hasattr(data, "iloc") else data[:rows]
    found = numpy.asarray(part.detach().cpu() if hasattr(part, "detach") else part)
    if found.dtype.kind == "O" and found.size and isinstance(found.flat[0], bytes):  # texts of TensorFlow's
        found = numpy.char.decode(found.astype(bytes), "utf-8", "replace")
    return found
