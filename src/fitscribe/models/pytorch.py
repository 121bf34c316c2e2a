"""The PyTorch flavor: a module to a model directory that MLflow reads as well, and back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from fitscribe.errors import MisuseError
from fitscribe.models import extras, torchfiles
from fitscribe.models.inside import inside
from fitscribe.models.kinds import is_a, is_array, is_pandas_frame
from fitscribe.models.signature import as_signature
from fitscribe.models.torchfiles import PICKLE, PROGRAM, WEIGHTS
from fitscribe.models.written import Written, too_large

__all__ = [
    "Format",
    "Predictor",
    "answers",
    "as_example",
    "check",
    "free_dimensions",
    "load",
    "plain",
    "predictor",
    "runs_code",
    "tensors",
    "write",
]

Format: TypeAlias = Literal["pickle", "pt2", "safetensors"]

DATA, PICKLE_INFO = "data", "pickle_module_info.txt"
PICKLE_MODULE = "mlflow.pytorch.pickle_module"  # cloudpickle; the name under which every MLflow finds an unpickler
FILES: dict[str, str] = {"pickle": PICKLE, "pt2": PROGRAM, "safetensors": WEIGHTS}
TOOLS: dict[str, tuple[str, ...]] = {"pickle": ("cloudpickle",), "pt2": (), "safetensors": ("safetensors",)}


def check(serialization_format: str = "pickle", example: Any = None, **options: Any) -> None:
    """Raise `MisuseError` for options that `write` will refuse whatever the model is."""
    if serialization_format not in FILES:
        words = ", ".join(get_args(Format))
        raise MisuseError(f"unknown serialization format {serialization_format!r}; use one of {words}")
    if serialization_format == "pt2" and example is None:
        raise MisuseError("serialization_format='pt2' needs input_example: the module is traced with it")


def write(
    model: Any,
    folder: Path,
    *,
    serialization_format: Format = "pickle",
    example: Any = None,
    dynamic_shapes: Any = None,
    pickle_module: Any = None,
    extra_files: Iterable[str | Path] | None = None,
    limit: float | None = None,
    **save_options: Any,
) -> Written:
    """Write a module into a folder, now; `example` is what an exported program is traced with.

    What `torch.compile` or data parallelism put around a module is left out. Further options are those of
    `torch.save`. `MisuseError`: no module, or it cannot be written in this format, or has more than `limit` bytes.
    """
    import torch

    model = plain(model)
    if not isinstance(model, torch.nn.Module):
        raise MisuseError(f"a {type(model).__name__} is no torch.nn.Module")
    _check_size(model, limit)
    file = folder / DATA / FILES[serialization_format]
    file.parent.mkdir(parents=True)
    if serialization_format == "pickle":
        modules = torchfiles.write_pickle(model, file, pickle_module, **save_options)
        name = getattr(pickle_module, "__name__", "cloudpickle")
        name = PICKLE_MODULE if name == "cloudpickle" else name
        (file.parent / PICKLE_INFO).write_text(name, encoding="utf-8")
    elif serialization_format == "pt2":
        modules = torchfiles.write_program(model, file, tensors(example), dynamic_shapes)
    else:
        modules = torchfiles.write_weights(model, file)
    extra, _ = extras.copied(extra_files, folder)
    sizes = extras.sizes(folder, folder)
    entries = _entries(model, serialization_format, pickle_module, example)
    entries["pytorch"].update(extra)
    needed = {*modules, "torch", "numpy", *TOOLS[serialization_format]}
    return Written(entries, tuple(sizes), sum(sizes.values()), tuple(sorted(needed)))


def _entries(model: Any, serialization_format: str, pickle_module: Any, example: Any) -> dict[str, Any]:
    import torch

    own: dict[str, Any] = {"code": None, "model_data": DATA, "pytorch_version": str(torch.__version__)}
    if serialization_format == "safetensors":  # weights alone answer nothing
        kind = type(model)
        named = {"serialization_format": "safetensors", "model_class": f"{kind.__module__}.{kind.__qualname__}"}
        return {"pytorch": {**own, **named}}
    if serialization_format == "pt2" and len(tensors(example)) > 1:  # `predict` takes one input
        return {"pytorch": own}
    answering = {
        "config": {"device": None},
        "data": DATA,
        "loader_module": "mlflow.pytorch",
        "pickle_module_name": getattr(pickle_module, "__name__", PICKLE_MODULE),
    }
    return {"pytorch": own, "python_function": answering}


def _check_size(model: Any, limit: float | None) -> None:
    if limit is None:
        return
    if sum(one.numel() * one.element_size() for one in (*model.parameters(), *model.buffers())) > limit:
        raise too_large(limit)


def plain(model: Any) -> Any:
    """Return the module that a compiled or a data parallel one is made of, for these load nowhere else."""
    import torch

    around = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(model, around):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), torch.nn.Module):
            model = model._orig_mod
        else:
            return model


def tensors(example: Any) -> tuple[Any, ...]:
    """Return an example's inputs as tensors on the CPU. `MisuseError`: it is none of tensors, arrays and frames."""
    import torch

    if isinstance(example, (list, tuple)):
        return tuple(one for each in example for one in tensors(each))
    if isinstance(example, torch.Tensor):
        return (example.detach().cpu(),)
    if is_pandas_frame(example):
        return (torch.tensor(example.to_numpy(dtype="float32")),)
    if is_array(example):
        return (torch.from_numpy(example.copy()),)  # views may run backwards, and some are read-only
    raise MisuseError(f"to trace a module takes tensors, arrays or a DataFrame, not a {type(example).__name__}")


def as_example(given: Any) -> Any:
    """Return an input example that can be written: a tensor as an array; None for several, which have no form."""
    if isinstance(given, (list, tuple)) and any(is_a("torch", ("Tensor",), one) for one in given):
        return as_example(given[0]) if len(given) == 1 else None
    return given.numpy(force=True) if is_a("torch", ("Tensor",), given) else given


def free_dimensions(signature: Any) -> Any:
    """Return the dynamic shapes of the inputs of a user's signature, or None where it has no tensors."""
    import torch

    found = as_signature(signature)
    shapes = [one.get("tensor-spec", {}).get("shape") for one in (found.inputs or [] if found else [])]
    if not shapes or None in shapes:
        return None
    auto = torch.export.Dim.AUTO
    return tuple({at: auto for at, length in enumerate(shape) if length == -1} or None for shape in shapes)


def load(
    folder: Path, conf: Mapping[str, Any], *, model: Any = None, kwargs: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    """Load a module in evaluation mode; a pickle, and an exported program, may run what they say.

    Weights alone are read into `model`, a module or a class that `kwargs` make one of. Further options are those of
    `torch.load`. `MisuseError`: there is no such file, or no module for the weights.
    """
    file = _file(folder, conf)
    if file.name == PROGRAM:
        return torchfiles.read_program(file)  # which knows no modes: it is as it was traced
    if file.name == WEIGHTS:
        if model is None:
            name = conf.get("model_class", "the class they are of")
            raise MisuseError(
                f"this model is weights alone; give model= an instance of {name}, or the class and kwargs="
            )
        return torchfiles.read_weights(file, model, kwargs).eval()
    found = torchfiles.read_pickle(file, **options)
    if not hasattr(found, "eval"):
        raise MisuseError(
            f"{str(file)!r} holds a {type(found).__name__}, no module; load_state_dict reads weights alone"
        )
    return found.eval()


def _file(folder: Path, conf: Mapping[str, Any]) -> Path:
    place = inside(folder, conf.get("model_data") or conf.get("data") or DATA)
    candidates = [place] if place.is_file() else [place / name for name in FILES.values()]
    for file in candidates:
        if file.is_file():
            return inside(folder, file.relative_to(folder).as_posix())
    raise MisuseError(f"no PyTorch model in {str(place)!r}: none of {', '.join(FILES.values())} is there")


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files whose loading may run code: pickles of more than tensors, TorchScript, exported programs.

    An exported program is none of tensors and graph alone: PyTorch evaluates its shapes as Python, and unpickles
    constants.
    """
    file = _file(folder, conf)
    if file.name == WEIGHTS or (file.name != PROGRAM and torchfiles.harmless(file)):
        return []
    return [file.relative_to(folder).as_posix()]


def predictor(
    folder: Path, conf: Mapping[str, Any], *, model_config: Mapping[str, Any] | None = None, **options: Any
) -> Predictor:
    """Load what answers `predict`, on `model_config["device"]`, MLFLOW_DEFAULT_PREDICTION_DEVICE, or a GPU if any."""
    import torch

    device = (model_config or conf.get("config") or {}).get("device")
    device = device or os.environ.get("MLFLOW_DEFAULT_PREDICTION_DEVICE")
    device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    model = load(folder, conf, **options)
    return Predictor(model.to(device) if hasattr(model, "to") else model, device)


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what the module makes of these rows, in evaluation mode and on the device where it is."""
    model = plain(model)
    place = next((one.device for one in model.parameters()), "cpu")
    with torchfiles.at_rest(model):
        return Predictor(model, place).predict(rows)


class Predictor:
    """What `pyfunc` asks: a DataFrame becomes float32 and is answered by a DataFrame, an array by an array."""

    def __init__(self, model: Any, device: Any) -> None:
        """Keep a module and the device that it is on."""
        self.model, self.device = model, device

    def get_raw_model(self) -> Any:
        """Return the module."""
        return self.model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the module's answer; `params` are further arguments of its `forward`.

        `MisuseError`: the data is no DataFrame, array or tensor, or the answer is no tensor.
        """
        import torch

        if params and "device" in params:
            raise MisuseError("the device is chosen when loading: load_model(uri, model_config={'device': ...})")
        framed = is_pandas_frame(data)
        if not (framed or is_array(data) or is_a("torch", ("Tensor",), data)):
            raise MisuseError(f"a PyTorch model takes a DataFrame, an array or a tensor, not a {type(data).__name__}")
        with torch.no_grad():
            made = self.model(tensors(data)[0].to(self.device), **(params or {}))
        if not isinstance(made, torch.Tensor):
            raise MisuseError(f"the model's answer is a {type(made).__name__}; pyfunc takes one tensor")
        array = (made.float() if made.dtype is torch.bfloat16 else made).numpy(force=True)
        return type(data)(array, index=data.index) if framed else array
