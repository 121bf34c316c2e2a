"""Which distributions a model needs to be loaded, as lines of a requirements file."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from itertools import chain
from typing import NamedTuple

from fitscribe.guard import warn_once
from fitscribe.models.serialization import modules_of

__all__ = ["requirements_for", "requirements_of", "with_mlflow"]

# Where to look first; what is found there is checked against the distribution's own list of files.
_LIKELY = {"PIL": "pillow", "cv2": "opencv-python", "sklearn": "scikit-learn", "yaml": "PyYAML"}
_BUILDS = re.compile(r"cpu|cu\d+|rocm[\d.]+|xpu")  # labels of builds that an index has without them


def requirements_of(model: object) -> list[str]:
    """Return `name==version` of every distribution that loading this model imports from, sorted.

    They come from the classes and functions in the model, so nothing else that is imported plays a part.
    """
    return requirements_for(modules_of(model))


def requirements_for(modules: Iterable[str], without: Iterable[str] = ()) -> list[str]:
    """Return a line for each of the distributions that these modules come from, sorted: mostly `name==version`.

    One that was installed from a repository or a URL is named with it. What an index will not have in this version (an
    editable install, a local folder, a local build) is told of once, and so is a module that no distribution provides,
    such as a file beside the script. Modules below the names `without` travel with the model.
    """
    found: dict[str, str] = {}
    for name in sorted({_key(module) for module in modules}):
        if _is_of_python(name) or name.partition(".")[0] in set(without):
            continue
        owner = _owner(name)
        if owner is None:
            warn_once(
                "a model uses the module %s, which no installed package provides: to load it elsewhere, give its file "
                "as code_paths, or call cloudpickle.register_pickle_by_value on the module before training",
                name,
            )
        elif owner.name not in found:
            found[owner.name] = owner.line()
            if owner.odd:
                warn_once("%s", owner.odd)
    return sorted(found.values(), key=str.lower)


def with_mlflow(requirements: list[str]) -> list[str]:
    """Put `mlflow` first unless it is there: our loader does without, but what serves a model installs this list only.

    With its version where MLflow is installed; else without, since any newer one reads what we write.
    """
    if any(_name(line) in ("mlflow", "mlflow-skinny") for line in requirements):
        return requirements
    version = _version("mlflow")
    return [f"mlflow=={version}" if version else "mlflow", *requirements]


def _name(line: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""  # an option, a URL, a path


def _key(module: str) -> str:
    """Return the module's package, or all of its name where the package is shared by several distributions."""
    top = module.partition(".")[0]
    shared = getattr(sys.modules.get(top), "__file__", "") is None
    return module if shared else top


def _is_of_python(module: str) -> bool:
    top = module.partition(".")[0]
    return top == "__main__" or top in sys.stdlib_module_names or top in sys.builtin_module_names


@cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


class _Owner(NamedTuple):
    """A distribution: its name and version, where it was installed from, and what is odd about that."""

    name: str
    version: str
    source: str = ""
    odd: str = ""

    def line(self) -> str:
        return f"{self.name} @ {self.source}" if self.source else f"{self.name}=={self.version}"


@cache
def _owner(module: str) -> _Owner | None:
    """Find the distribution that installed a module.

    `importlib.metadata.packages_distributions()` answers for all modules at once by reading and parsing
    everybody's list of files: 110 ms for 107 distributions, here 1 ms for the usual ones.
    """
    top = module.partition(".")[0]
    likely = [one for name in (_LIKELY.get(top, top), top) for one in metadata.distributions(name=name)]
    for distribution in chain(likely, metadata.distributions()):
        if _provides(distribution, module):
            return _described(distribution)
    # An editable install may list no files at all; then the name has to do.
    return _described(likely[0]) if likely and not _has_files(likely[0]) else None


def _described(distribution: metadata.Distribution) -> _Owner:
    name = distribution.metadata["Name"]
    version, _, label = distribution.version.partition("+")
    source, place = _source(distribution)
    if place:
        odd = (
            f"the model needs {name} {distribution.version}, which is installed from {place}: where it is loaded, the "
            f"line {name}=={version} is found only if that version was published; else give its folder as code_paths"
        )
    elif label and not source and not _BUILDS.fullmatch(label):
        odd = f"the model needs {name} {distribution.version}, a local build; its requirements ask for {version}"
    else:
        odd = ""
    return _Owner(name, version, source, odd)


def _source(distribution: metadata.Distribution) -> tuple[str, str]:
    """Return from what URL others can install a distribution too, and from what local place only this machine can."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return "", ""
    url = str(told.get("url") or "")
    if url.startswith("file:"):
        editable = (told.get("dir_info") or {}).get("editable")
        return "", f"{url} (editable)" if editable else url
    if "@" in url.partition("://")[2].partition("/")[0]:
        return "", ""  # who may fetch it stands in the address, and nobody else shall read that
    vcs = told.get("vcs_info")
    return (f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url), ""


def _has_files(distribution: metadata.Distribution) -> bool:
    record = distribution.read_text("RECORD") or ""
    return any(line.split(",")[0].endswith((".py", ".so", ".pyd")) for line in record.splitlines())


def _provides(distribution: metadata.Distribution, module: str) -> bool:
    path = "\n" + module.replace(".", "/")
    record = "\n" + (distribution.read_text("RECORD") or "")
    if f"{path}/" in record or f"{path}." in record:
        return True
    return module.partition(".")[0] in (distribution.read_text("top_level.txt") or "").split()
