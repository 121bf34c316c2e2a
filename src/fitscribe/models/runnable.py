"""Which files of a model run code when it is loaded, by whichever of its flavors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fitscribe.models import codepaths, flavors
from fitscribe.models.format import MLMODEL

__all__ = ["code_of"]


def code_of(folder: Path, content: Mapping[str, Any]) -> list[str]:
    """Return the files of a model's folder whose loading may run code, whatever it is loaded as; nothing is loaded."""
    entries = {name: conf for name, conf in content["flavors"].items() if isinstance(conf, dict)}
    found: dict[str, None] = {}
    for name, conf in entries.items():
        found.update(dict.fromkeys([*_of(folder, name, conf, entries), *codepaths.files(folder, conf)]))
    return list(found)


def _of(folder: Path, name: str, conf: dict[str, Any], entries: Mapping[str, dict[str, Any]]) -> list[str]:
    if name != "python_function":
        keys = {flavors.key_of(module): module for module in map(flavors.flavor, flavors.FLAVORS)}
        return list(keys[name].runs_code(folder, conf)) if name in keys else []
    module = flavors.flavor_of_loader(conf)
    if module is None:  # it is loaded by a module that the model itself names
        return [str(conf.get("data") or MLMODEL)]
    return list(module.runs_code(folder, {**conf, **entries.get(flavors.key_of(module), {})}))
