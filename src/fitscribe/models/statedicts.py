"""State dicts: the tensors of a module, and what goes with them, in a file that runs nothing when it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.models import torchfiles
from fitscribe.models import trust as trusting

__all__ = ["read", "write"]

FILES = {"pickle": "state_dict.pth", "safetensors": "state_dict.safetensors"}


def write(state_dict: Mapping[str, Any], folder: Path, serialization_format: str = "pickle", **options: Any) -> None:
    """Write a state dict into a folder; options are `torch.save`'s. `MisuseError`: it is none, or cannot be written."""
    if not isinstance(state_dict, dict):
        raise MisuseError(f"a state dict is a dict, not a {type(state_dict).__name__}")
    if serialization_format not in FILES:
        raise MisuseError(f"unknown serialization format {serialization_format!r}; use one of {', '.join(FILES)}")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILES[serialization_format]
    if serialization_format == "pickle":
        torchfiles.write_pickle(state_dict, file, **options)
        return
    try:
        torchfiles.safetensors().save_file({name: one.contiguous() for name, one in state_dict.items()}, str(file))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise MisuseError(f"safetensors takes tensors by name, none of them shared: {error}") from None


def read(place: Path, trust: bool | str | Iterable[str] | None = None, **options: Any) -> Any:
    """Read the state dict of a folder or file; options are `torch.load`'s.

    One that holds more than tensors and plain values is read only if `trust` says so. `NotFoundError`: none there.
    """
    found = [place] if place.is_file() else [place / name for name in FILES.values()]
    file = next((one for one in found if one.is_file()), None)
    if file is None:
        raise NotFoundError(f"no state dict in {str(place)!r}: it has none of {', '.join(FILES.values())}")
    if file.suffix == ".safetensors":
        return torchfiles.safetensors().load_file(str(file), device=str(options.get("map_location") or "cpu"))
    file = trusting.check_file(file, lambda it: not torchfiles.harmless(it), trust)
    return torchfiles.read_pickle(file, **options)
