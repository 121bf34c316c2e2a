"""The files of a model directory beside the model itself: MLmodel and the environment it needs."""

from __future__ import annotations

import datetime
import json
import platform
import uuid
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.models import yamls
from fitscribe.models.inside import inside

__all__ = [
    "ENVIRONMENT",
    "MLMODEL",
    "REQUIREMENTS",
    "environment_files",
    "file_inside",
    "fresh_folder",
    "mlmodel_text",
    "model_folder",
    "new_mlmodel",
    "read_mlmodel",
    "write_files",
]

MLMODEL = "MLmodel"
REQUIREMENTS = "requirements.txt"
CONDA, PYTHON_ENV, CONSTRAINTS = "conda.yaml", "python_env.yaml", "constraints.txt"

ENVIRONMENT = {"conda": CONDA, "virtualenv": PYTHON_ENV}


def new_mlmodel(flavors: dict[str, Any], signature: dict[str, str | None] | None, size: int) -> dict[str, Any]:
    """Return the content of a new MLmodel file; `size` is that of the model's files in bytes.

    There is no `mlflow_version` in it, for no MLflow wrote it; loaders do without.
    """
    from fitscribe import __version__

    content: dict[str, Any] = {
        "fitscribe_version": __version__,
        "flavors": flavors,
        "model_id": None,
        "model_size_bytes": size,
        "model_uuid": uuid.uuid4().hex,
        "prompts": None,
        "utc_time_created": str(datetime.datetime.now(datetime.UTC).replace(tzinfo=None)),
    }
    if signature is not None:
        hints = {"is_signature_from_type_hint": False, "type_hint_from_example": False}
        content.update(signature=signature, **hints)
    return content


def environment_files(
    requirements: list[str], conda: dict[str, Any] | None = None, constraints: list[str] | None = None
) -> dict[str, str]:
    """Return requirements.txt, conda.yaml and python_env.yaml as text by name, for this Python.

    A `conda` environment of the user's own takes the place of ours, with these requirements for pip. There is a
    constraints.txt if there are `constraints`.
    """
    limits = {CONSTRAINTS: "\n".join(constraints)} if constraints else {}
    if constraints:
        requirements = [*requirements, f"-c {CONSTRAINTS}"]
    python = platform.python_version()
    build = {name: _version(name) for name in ("pip", "setuptools", "wheel")}
    virtualenv = {
        "python": python,
        "build_dependencies": [f"{name}=={version}" if version else name for name, version in build.items()],
        "dependencies": [f"-r {REQUIREMENTS}"],
    }
    # conda's channels get a new pip later than the index of packages does
    pip = f"pip<={build['pip']}" if build["pip"] else "pip"
    if conda is None:
        conda = {"channels": ["conda-forge"], "dependencies": [f"python={python}", pip], "name": "mlflow-env"}
    conda = {**conda, "dependencies": [*conda["dependencies"], {"pip": requirements}]}
    return {REQUIREMENTS: "\n".join(requirements), CONDA: _yaml(conda), PYTHON_ENV: _yaml(virtualenv), **limits}


@cache
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _yaml(content: dict[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where it was built
    return str(yaml.dump(content, Dumper=dumper, default_flow_style=False, sort_keys=False))


def mlmodel_text(content: dict[str, Any]) -> str:
    """Return an MLmodel file as YAML. `MisuseError`: the content (a user's metadata) has no JSON form."""
    try:
        plain = json.loads(json.dumps(content))  # YAML knows no kinds of numbers but Python's own
    except (TypeError, ValueError) as error:
        raise MisuseError(f"the model's metadata cannot be written as JSON: {error}") from None
    return _yaml(dict(sorted(plain.items())))


def model_folder(path: str | Path) -> Path:
    """Return a model's folder, for that or for its MLmodel file. `NotFoundError`: there is no such file."""
    place = Path(path)
    if place.name == MLMODEL and place.is_file():
        place = place.parent
    if not (place / MLMODEL).is_file():
        raise NotFoundError(f"no model in {str(place)!r}: it has no file {MLMODEL}")
    return place


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Read a folder's MLmodel file. `NotFoundError`: there is none; `MisuseError`: it holds no model."""
    try:
        content = yamls.read(folder / MLMODEL)
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # the last: a link to itself
        raise NotFoundError(f"no model in {str(folder)!r}: it has no file {MLMODEL}") from None
    flavors = content.get("flavors") if isinstance(content, dict) else None
    if not isinstance(flavors, dict) or not all(isinstance(one, dict) for one in flavors.values()):
        raise MisuseError(f"the file {MLMODEL} in {str(folder)!r} names no flavors, so there is nothing to load")
    return dict(content)


def file_inside(folder: Path, name: object) -> Path:
    """Return the file of that name in a model's folder. `MisuseError`: there is none, or it lies outside."""
    file = inside(folder, name)
    if not file.is_file():
        raise MisuseError(f"the model in {str(folder)!r} names {name!r}; no such file is in there")
    return file


def fresh_folder(path: str | Path) -> Path:
    """Make the folder for a new model. `MisuseError`: something lies there already."""
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MisuseError(f"cannot save a model to {str(folder)!r}: there is something already; give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write texts by name into a folder, as UTF-8 with plain newlines on every system."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
