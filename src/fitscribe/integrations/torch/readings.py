"""Numbers that may still lie on a device: taken now, read when that costs nothing."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Number", "Reading", "is_shared", "number_of", "ready", "taken"]


class Reading:
    """A number on its way from a device; nobody waits for it unless it is asked for."""

    __slots__ = ("arrived", "kept", "looks")

    def __init__(self, tensor: Any) -> None:
        """Begin to bring it here, behind what the device has to do before."""
        import torch

        self.looks = 0
        self.arrived: Any = None
        if tensor.device.type != "cuda":
            self.kept = tensor.clone()  # what follows in place must not change it
            return
        self.kept = torch.empty((), dtype=tensor.dtype, pin_memory=True)
        self.kept.copy_(tensor.reshape(()), non_blocking=True)
        self.arrived = torch.cuda.Event()
        self.arrived.record(torch.cuda.current_stream(tensor.device))

    @property
    def here(self) -> bool:
        """True when reading it makes nobody wait; where a device does not say so, after a while."""
        self.looks += 1
        return bool(self.arrived.query()) if self.arrived is not None else self.looks > 2

    def number(self) -> float:
        """Return it, as soon as it is here."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return float(self.kept.item())


Number: TypeAlias = "float | Reading"


def taken(thing: Any) -> Number | None:
    """Return a number to be read later, of a tensor with one element; None for what is no such thing."""
    if isinstance(thing, (int, float)):
        return float(thing)
    if getattr(thing, "numel", None) is None or thing.numel() != 1 or thing.is_complex() or is_shared(thing):
        return None
    if thing.device.type == "cpu":
        return float(thing.item())
    if thing.device.type == "meta" or _captured(thing):
        return None
    return Reading(thing.detach())


def is_shared(tensor: Any) -> bool:
    """True for one that several ranks have together (a DTensor): to read it takes all of them, and one alone hangs."""
    return hasattr(tensor, "full_tensor")


def _captured(tensor: Any) -> bool:
    """True while a CUDA graph is recorded: what is done then would be part of the graph."""
    import torch

    return tensor.device.type == "cuda" and bool(torch.cuda.is_current_stream_capturing())


def ready(number: Number) -> bool:
    """True when nobody would wait for it."""
    return isinstance(number, float) or number.here


def number_of(number: Number) -> float:
    """Return it, however long that takes."""
    return number if isinstance(number, float) else number.number()
