"""What an integration's package is called, by the name that its framework is imported by."""

from __future__ import annotations

import contextlib
import keyword
import re
import sys
from importlib import metadata
from typing import NamedTuple

import fitscribe
from fitscribe.errors import MisuseError

__all__ = ["Names", "named"]


class Names(NamedTuple):
    """All names that the skeleton's templates ask for."""

    name: str  # the framework, as it is imported
    package: str  # the distribution that the framework comes in
    version: str  # the version of it that is here, or 1.0
    floor: str  # the oldest version to support, as far as that can be known
    module: str  # the integration
    info: str  # the folder in which an installer says what the framework is
    ours: str  # the version of fitscribe


def named(name: str) -> Names:
    """Return the names of an integration for the framework that is imported as `name`.

    `MisuseError`: no framework can be imported by that name, or somebody records it already.
    """
    if problem := _problem(name) or _taken(name):
        raise MisuseError(f"{name!r} {problem}")
    package, version = _installed(name)
    info = f"{_normal(package).replace('-', '_')}-{version}.dist-info"
    return Names(name, package, version, _floor(version), f"fitscribe_{name}", info, fitscribe.__version__)


def _problem(name: str) -> str:
    """Say why a name is not the name of a framework's module, or ""."""
    if modules := [] if name.isidentifier() else _modules_of(name):
        return f"is how it is installed; name it as it is imported: {' or '.join(modules)}"
    if "." in name and all(part.isidentifier() for part in name.split(".")):
        return f"is a module inside a package; name the package: {name.partition('.')[0]}"
    if not re.fullmatch("[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?", name):
        return "is no name that both a module and a package can have: letters and digits, with _ in between"
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name.lower() == "fitscribe":
        return "is a word of Python's own, or ours; name the framework as it is imported"
    return ""


def _taken(name: str) -> str:
    for entry in metadata.entry_points(group="fitscribe.integrations", name=name):
        whose = entry.dist.name if entry.dist else entry.value
        return f"is recorded by {whose} already, and of two integrations for one framework only one is loaded"
    return ""


def _modules_of(package: str) -> list[str]:
    wanted = _normal(package)
    found = metadata.packages_distributions().items()
    return [module for module, packages in found if wanted in map(_normal, packages) and not module.startswith("_")]


def _installed(name: str) -> tuple[str, str]:
    """Return the framework's distribution and its version, or the name itself and 1.0 where it is not installed."""
    for package in metadata.packages_distributions().get(name, []):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return package, metadata.version(package)
    return name, "1.0"


def _floor(version: str) -> str:
    from packaging.version import Version

    found = Version(version)
    first_two = f"{found.epoch}!" * bool(found.epoch) + ".".join(map(str, found.release[:2]))
    return first_two if found >= Version(first_two) else found.public  # 2.0rc1 is older than 2.0


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
