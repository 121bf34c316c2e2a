"""PyTorch's files: a module as a pickle, an exported program or bare weights; written as if from a CPU, and read."""

from __future__ import annotations

import contextlib
import copy
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fitscribe.errors import MisuseError, Unavailable
from fitscribe.guard import outcome, quietly
from fitscribe.models import soundness
from fitscribe.models.serialization import noting_pickler

__all__ = [
    "PICKLE",
    "PROGRAM",
    "WEIGHTS",
    "at_rest",
    "harmless",
    "is_script",
    "modules_of",
    "read_pickle",
    "read_program",
    "read_weights",
    "runs_nothing",
    "safetensors",
    "write_pickle",
    "write_program",
    "write_weights",
]

PICKLE, PROGRAM, WEIGHTS = "model.pth", "model.pt2", "model.safetensors"


def modules_of(model: Any) -> set[str]:
    """Return the names of the modules that the classes of a network's parts come from."""
    return {type(part).__module__ for part in model.modules()}


@contextlib.contextmanager
def at_rest(model: Any) -> Iterator[Any]:
    """Within it the network is in evaluation mode and no gradient is followed; then every part is as it was."""
    import torch

    before = [(part, part.training) for part in getattr(model, "modules", list)()]
    try:
        for part, _ in before:
            part.training = False
        with torch.no_grad():
            yield model
    finally:
        for part, training in before:
            part.training = training


def write_pickle(model: Any, file: Path, pickle_module: Any = None, **options: Any) -> set[str]:
    """Write a module as `torch.save` does, and return the modules that loading imports; options are `torch.save`'s.

    Tensors of a GPU are written as of the CPU, so that the file loads where there is none. `MisuseError`: a part of
    it cannot be pickled.
    """
    import torch

    if isinstance(model, torch.jit.ScriptModule):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, at every use of it
            model.save(str(file))
        return {"torch"}
    modules: set[str] = set()
    with file.open("wb") as stream:
        output = _Output(stream)
        pickler = pickle_module or _pickle_module(modules)
        failed = outcome(partial(torch.save, model, output, pickle_module=pickler, **options))
    if output.error is not None:
        raise output.error  # PyTorch makes a RuntimeError of it
    if failed is not None:
        raise MisuseError(f"this {type(model).__name__} cannot be pickled: {failed}") from failed
    return modules or (modules_of(model) if hasattr(model, "modules") else set())


class _Output:
    """A stream that remembers why it could not be written."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return int(self.stream.write(data))
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.stream.flush()


def _pickle_module(modules: set[str]) -> Any:
    """Make what `torch.save` takes for a pickle module: cloudpickle, which notes what it meets."""
    import torch

    class Pickler(noting_pickler("cloudpickle")):  # type: ignore[misc]
        def __init__(self, stream: Any, protocol: int) -> None:
            super().__init__(stream, modules, protocol)

        def reducer_override(self, thing: Any) -> Any:
            if isinstance(thing, torch.Tensor) and thing.device.type not in ("cpu", "meta"):
                return _of_cpu(thing).__reduce_ex__(2)
            return super().reducer_override(thing)

    return SimpleNamespace(__name__="cloudpickle", Pickler=Pickler)


def _of_cpu(tensor: Any) -> Any:
    """Return a tensor's copy on the CPU, a parameter's as a parameter."""
    import torch

    moved = tensor.detach().cpu()
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(moved, requires_grad=tensor.requires_grad)
    return moved.requires_grad_(tensor.requires_grad)


def write_program(model: Any, file: Path, example: tuple[Any, ...], dynamic_shapes: Any = None) -> set[str]:
    """Write a module as an exported program, traced with an example of its inputs in evaluation mode.

    The first dimension of each input stays free unless `dynamic_shapes` (as of `torch.export.export`) says otherwise.
    `MisuseError`: the module cannot be traced.
    """
    import torch

    if isinstance(model, torch.jit.ScriptModule):
        raise MisuseError("a TorchScript module cannot be exported; serialization_format='pickle' takes it")
    memo = {id(one): _of_cpu(one) for one in (*model.parameters(), *model.buffers()) if one.device.type not in ("cpu",)}
    model = copy.deepcopy(model, memo) if memo else model
    # of one row the tracer would conclude that there is never more than one
    inputs = tuple(torch.cat([one, one]) if one.ndim and one.shape[0] == 1 else one for one in example)
    if dynamic_shapes is None:
        dynamic_shapes = tuple({0: torch.export.Dim.AUTO} if one.ndim else None for one in inputs)
    with at_rest(model):
        program = outcome(partial(torch.export.export, model, inputs, dynamic_shapes=dynamic_shapes))
    if isinstance(program, Exception):
        raise MisuseError(f"this {type(model).__name__} cannot be exported: {_short(program)}") from program
    torch.export.save(program, file)
    spaces = {getattr(node.target, "namespace", "aten") for node in program.graph.nodes}
    return {"torch", *(space for space in spaces if space not in ("aten", "prim", "prims", "higher_order"))}


def write_weights(model: Any, file: Path) -> set[str]:
    """Write a module's weights as safetensors; tensors that are shared within it are written once."""
    safetensors().save_model(model, str(file))
    return modules_of(model)


def safetensors() -> Any:
    """Return `safetensors.torch`. `Unavailable`: it is not installed."""
    try:
        import safetensors.torch
    except ImportError:
        raise Unavailable("safetensors files need the package safetensors; install fitscribe[torch]") from None
    return safetensors.torch


def is_script(file: Path) -> bool:
    """Tell if a file is of TorchScript."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())


def runs_nothing(file: Path) -> bool:
    """Tell if `torch.load` reads a file with `weights_only=True`; no code of the file's runs then.

    That is so for tensors in plain containers, and for classes that the caller named to
    `torch.serialization.add_safe_globals`. False also where PyTorch is not there to tell.
    """
    try:
        from torch.serialization import get_unsafe_globals_in_checkpoint as unknown
    except ImportError:
        return False
    return quietly(is_script, file, default=True) is False and quietly(unknown, str(file), default=["?"]) == []


def harmless(file: Path) -> bool:
    """Tell if nobody need vouch for a file: as `runs_nothing`, by a PyTorch of which no hole is known there."""
    return not soundness.doubted("torch") and runs_nothing(file)


def read_pickle(file: Path, **options: Any) -> Any:
    """Read what `torch.save` wrote, with `weights_only=True` where that is enough; options are `torch.load`'s.

    Tensors of a GPU come to the CPU where there is none.
    """
    import torch

    options.setdefault("map_location", None if torch.cuda.is_available() else "cpu")
    if is_script(file):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(file), map_location=options["map_location"])
    options.setdefault("weights_only", "pickle_module" not in options and runs_nothing(file))
    return torch.load(file, **options)


def read_program(file: Path) -> Any:
    """Read an exported program as a module."""
    import torch

    return torch.export.load(file).module()


def read_weights(file: Path, model: Any, kwargs: Mapping[str, Any] | None = None) -> Any:
    """Read weights into a module, or into one that its class makes of `kwargs`, and return it.

    `MisuseError`: they are weights of another architecture.
    """
    module = model(**(kwargs or {})) if isinstance(model, type) else model
    try:
        safetensors().load_model(module, str(file))
    except RuntimeError as error:
        name = type(module).__name__
        raise MisuseError(f"the weights in {str(file)!r} are not of this {name}: {_short(error)}") from error
    return module


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:400]
