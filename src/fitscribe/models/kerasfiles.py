"""Keras's files: what a `.keras` archive says of its layers without loading it, and how it is written and loaded."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import outcome, quietly
from fitscribe.models import soundness
from fitscribe.models.written import too_large

__all__ = [
    "as_arrays",
    "check_size",
    "custom_classes",
    "harmless",
    "light",
    "loaded",
    "modules_of",
    "objects",
    "predicted",
    "registered",
    "runs_code",
    "save",
]

CONFIG = "config.json"
NO_LAYERS = re.compile(r"keras\.(src\.)?(backend|config|datasets|export|saving|utils)\b")  # older ones call these
LARGEST = 100_000_000  # bytes of a configuration; the largest models have one
OWN = ("keras", "keras_cv", "keras_hub", "keras_nlp", "builtins")  # packages whose classes Keras finds by itself


def objects(file: Path) -> list[dict[str, Any]]:
    """Return the configuration of every object (layers, functions, optimizers) in a `.keras` archive.

    `MisuseError`: it is none.
    """
    try:
        with zipfile.ZipFile(file) as archive, archive.open(CONFIG) as stream:
            text = stream.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"its {CONFIG} has more than {LARGEST:,} bytes")
        return list(_objects(json.loads(text)))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError) as error:
        raise MisuseError(f"{str(file)!r} is no Keras model: {error}") from None


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def modules_of(file: Path) -> set[str]:
    """Return the names of the modules that the classes in a `.keras` archive come from, of the registered as well."""
    return {str(one["module"]) for one in objects(file) if one.get("module")} | {
        str(getattr(one, "__module__", "keras")) for one in registered(file).values()
    }


def registered(file: Path) -> dict[str, Any]:
    """Return the classes and functions in a `.keras` archive that are registered here, by the name they have there."""
    import keras

    known = keras.saving.get_custom_objects()
    return {name: known[name] for name in custom_classes(file) if name in known}


def runs_code(file: Path) -> bool:
    """Tell if loading a file may run code that is in it.

    That is functions as bytecode, pickled modules, SavedModels from elsewhere, the older HDF5 form.
    All else Keras loads in its safe mode, which runs none.
    """
    if file.suffix != ".keras":
        return True
    found = quietly(objects, file, default=None)
    return found is None or any(map(_is_code, found))


def harmless(file: Path) -> bool:
    """Tell if nobody need vouch for a file: no code is in it, and no hole of this Keras's safe mode is known."""
    return not soundness.doubted("keras") and not runs_code(file)


def _is_code(node: Mapping[str, Any]) -> bool:
    config = node.get("config")
    inner = config if isinstance(config, dict) else {}
    kinds = [inner.get(name) for name in ("function_type", "output_shape_type", "mask_type")]
    named = node["class_name"] in ("__lambda__", "TFSMLayer", "TorchModuleWrapper") or "lambda" in kinds
    return named or NO_LAYERS.match(str(node.get("module"))) is not None


def custom_classes(file: Path) -> dict[str, str]:
    """Return what in a `.keras` archive is not of Keras: names of classes and functions, and their modules if known."""
    found = {}
    for node in objects(file):
        module = str(node.get("module") or "")
        function = node["class_name"] == "function"
        name = str((node.get("config") if function else node.get("registered_name")) or node["class_name"])
        if ">" in name or (module.partition(".")[0] not in OWN and (module or node.get("registered_name"))):
            found[name] = module
    return found


@contextmanager
def light() -> Iterator[None]:
    """Let Keras serialize in this block without importing TensorFlow, for seconds, to ask if an object is one of its.

    None can be where nobody has imported it. Where Keras keeps its knowledge of that elsewhere, all is as it was.
    """
    module = sys.modules.get("keras.src.utils.module_utils")
    known = vars(getattr(module, "tensorflow", module)) if module is not None else {}
    if "tensorflow" in sys.modules or known.get("_available", False) is not None:
        yield
        return
    known["_available"] = False
    try:
        yield
    finally:
        known["_available"] = None


def save(model: Any, file: Path, **options: Any) -> None:
    """Write a model by Keras; options are those of `keras.Model.save`. `MisuseError`: Keras cannot."""
    with light():
        failed = outcome(partial(model.save, str(file), **options))
    if isinstance(failed, OSError):
        raise failed
    if isinstance(failed, Exception):
        reason = " ".join(str(failed).split())
        raise MisuseError(
            f"Keras cannot write this {type(model).__name__}: {type(failed).__name__}: {reason[:300]}"
        ) from failed


def loaded(file: Path, custom_objects: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """Load a model by Keras; options are those of `keras.saving.load_model`.

    In safe mode unless there is code in the file, which the caller has checked. `MisuseError`: the model uses classes
    that nobody registered.
    """
    import keras

    given = dict(custom_objects or {})
    if file.suffix == ".keras":
        known = (keras.saving.get_custom_objects(), given, {key.rpartition(">")[2]: 1 for key in given})
        unknown = [
            name + (f" (of {module})" if module else "")
            for name, module in sorted(custom_classes(file).items())
            if not any(name in names or name.rpartition(">")[2] in names for names in known)
        ]
        if unknown:
            raise MisuseError(
                f"the model uses {', '.join(unknown)}, which Keras does not know here: import the module whose classes "
                "are decorated with @keras.saving.register_keras_serializable(), or give custom_objects={'name': class}"
            )
    options.setdefault("safe_mode", not runs_code(file))
    return keras.saving.load_model(str(file), custom_objects=given or None, **options)


def predicted(model: Any, data: Any) -> Any:
    """Return a model's predictions as arrays, without its progress on the screen."""
    return as_arrays(model.predict(data, verbose=0))


def as_arrays(made: Any) -> Any:
    """Return tensors of any backend, in lists and dicts or not, as arrays."""
    import keras

    if isinstance(made, dict):
        return {name: as_arrays(one) for name, one in made.items()}
    if isinstance(made, (list, tuple)):
        return [as_arrays(one) for one in made]
    return keras.ops.convert_to_numpy(made)


def check_size(model: Any, limit: float | None) -> None:
    """Raise `MisuseError` for a model whose weights have more than `limit` bytes."""
    if limit is None:
        return
    optimizer = getattr(getattr(model, "optimizer", None), "variables", ())  # they are in the file as well
    size = sum(int(_count(one)) * int(_width(one)) for one in (*model.variables, *optimizer))
    if size > limit:
        raise too_large(limit)


def _count(variable: Any) -> int:
    count = 1
    for length in variable.shape:
        count *= length or 0
    return count


def _width(variable: Any) -> int:
    digits = "".join(sign for sign in str(variable.dtype) if sign.isdigit())
    return max(1, int(digits or 8) // 8)
