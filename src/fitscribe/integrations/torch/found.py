"""What lies around an optimizer: the module that holds its weights, its scheduler, and others of its kind.

Found once for a run by a look through all that the interpreter's collector keeps, by type alone: nothing has to be
patched for it, and no code of the objects runs. Some of it another thread may just be making: it has not all of its
attributes yet, and its dicts still grow.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["SHARDED", "Around", "look"]

WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "OptimizedModule": "_orig_mod",
}

SHARDED = ("FullyShardedDataParallel", "FSDPModule")  # of which each rank has a part


class Around:
    """What was found; `wrappers` are the classes around the model, such as DistributedDataParallel."""

    def __init__(self, modules: list[Any], optimizers: list[Any], schedulers: list[Any], scalers: list[Any]) -> None:
        """Take the objects; `forget` lets go of them."""
        self.optimizers, self.scalers = optimizers, scalers
        self.schedulers = [weakref.ref(each) for each in schedulers]
        self.wrappers: list[str] = []
        self._above: dict[int, list[Any]] = {}
        self._owners: dict[int, Any] = {}
        for module in modules:
            for child in _held(module, "_modules"):
                self._above.setdefault(id(child), []).append(module)
            for weight in _held(module, "_parameters"):
                self._owners[id(weight)] = module
        self._labels = {id(each): _label(self.smallest(each)) for each in optimizers}
        self.models: list[Any] = []
        self.name, self.blind = "torch", False  # no model was found

    def label(self, optimizer: Any) -> str:
        """Return the class of the smallest module that holds an optimizer's weights, or ""."""
        return self._labels.get(id(optimizer), "")

    def smallest(self, optimizer: Any) -> Any:
        """Return the smallest module that holds all weights of an optimizer, the outermost of equals; None: none."""
        counts, modules = self._counted(optimizer)
        most = sum(len(group["params"]) for group in _groups(optimizer))
        whole = [modules[each] for each, count in counts.items() if count == most]
        if not whole:
            return None
        sizes = {id(each): sum(1 for _ in weights_of(each)) for each in whole}
        least = min(sizes.values())
        equals = [each for each in whole if sizes[id(each)] == least]
        return unwrapped(max(equals, key=lambda each: sum(1 for _ in modules_of(each))))[0]

    def outermost(self, optimizers: list[Any]) -> list[Any]:
        """Return the modules that hold weights of these optimizers and lie in no other."""
        found: dict[int, Any] = {}
        for optimizer in optimizers:
            counts, modules = self._counted(optimizer)
            found |= {key: modules[key] for key in counts if not self._above.get(key)}
        return list(found.values())

    def _counted(self, optimizer: Any) -> tuple[Counter[int], dict[int, Any]]:
        """Count, for each module, the weights of an optimizer that it or a module in it holds."""
        counts: Counter[int] = Counter()
        modules: dict[int, Any] = {}
        lines: dict[int, list[Any]] = {}
        for group in _groups(optimizer):
            for weight in group["params"]:
                owner = self._owners.get(id(weight))
                if owner is None:
                    continue
                line = lines.get(id(owner))
                if line is None:
                    line = lines[id(owner)] = list(self._line(owner))
                for each in line:
                    counts[id(each)] += 1
                    modules[id(each)] = each
        return counts, modules

    def _line(self, module: Any) -> Iterator[Any]:
        seen, waiting = set(), [module]
        while waiting:
            each = waiting.pop()
            if id(each) not in seen:
                seen.add(id(each))
                yield each
                waiting.extend(self._above.get(id(each), ()))

    def forget(self) -> None:
        """Let go of everything but names: what is recorded is kept alive by nobody."""
        self.models, self.scalers, self.optimizers = [], [], []
        self._above, self._owners = {}, {}


def look(optimizers: list[Any], models: list[Any]) -> Around:
    """Look around some optimizers; `models` are what the user said is trained."""
    import torch
    from torch.amp import grad_scaler
    from torch.optim import lr_scheduler

    kinds = [torch.nn.Module, torch.optim.Optimizer, lr_scheduler.LRScheduler, grad_scaler.GradScaler]
    of_kind = [set(_family(kind)) for kind in kinds]
    wanted = set().union(*of_kind)
    there = [each for each in gc.get_objects() if type(each) in wanted]
    sorted_out = [[each for each in there if type(each) in family] for family in of_kind]
    made = Around(*sorted_out)
    found = models or made.outermost(optimizers)
    for each in found:
        inner, wrappers = unwrapped(each)
        made.models.append(inner)
        made.wrappers += wrappers
    made.blind = not found
    made.name = ", ".join(kind_of(each).__name__ for each in made.models[:3]) or "torch"
    return made


def unwrapped(module: Any) -> tuple[Any, list[str]]:
    """Return the user's module inside those that torch put around it, and their classes."""
    wrappers: list[str] = []
    while (name := type(module).__name__) in WRAPPERS:
        inner = vars(module).get("_modules", {}).get(WRAPPERS[name]) or vars(module).get(WRAPPERS[name])
        if inner is None:
            break
        wrappers.append(name)
        module = inner
    return module, [*wrappers, *([] if kind_of(module) is type(module) else ["FSDPModule"])]


def kind_of(module: Any) -> type:
    """Return the user's class of a module: `fully_shard` gives it one that is made of it and FSDPModule."""
    line: list[type] = list(type(module).__mro__)
    return line[2] if line[1].__name__ == "FSDPModule" else line[0]


def size_of(weight: Any) -> int:
    """Return how many numbers a weight has, on all ranks together."""
    whole = getattr(weight, "_unpadded_unsharded_size", None)
    return int(weight.numel() if whole is None else whole.numel())


def modules_of(module: Any) -> Iterator[Any]:
    """Walk a module and all in it, each once, whatever its class makes of `modules`."""
    seen, waiting = set(), [module]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting.extend(_held(each, "_modules"))


def weights_of(module: Any) -> Iterator[Any]:
    """Walk the parameters of a module, each once."""
    seen = set()
    for each in modules_of(module):
        for weight in _held(each, "_parameters"):
            if id(weight) not in seen:
                seen.add(id(weight))
                yield weight


def _held(module: Any, name: str) -> list[Any]:
    return [each for each in list((vars(module).get(name) or {}).values()) if each is not None]


def _groups(optimizer: Any) -> list[Any]:
    return list(getattr(optimizer, "param_groups", ()))


def _label(module: Any) -> str:
    return "" if module is None else kind_of(module).__name__


def _family(kind: type) -> Iterator[type]:
    seen, waiting = set(), [kind]
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            yield each
            waiting.extend(type.__subclasses__(each))
