"""A model directory of any flavor: what stands around the model's own files, written and read."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.models import codepaths
from fitscribe.models import flavors as known
from fitscribe.models import trust as trusting
from fitscribe.models.examples import Example
from fitscribe.models.format import (
    ENVIRONMENT,
    MLMODEL,
    environment_files,
    fresh_folder,
    mlmodel_text,
    model_folder,
    new_mlmodel,
    read_mlmodel,
    write_files,
)
from fitscribe.models.requirements import requirements_for, with_mlflow
from fitscribe.models.signature import ModelSignature
from fitscribe.models.wishes import Wishes, wishes
from fitscribe.models.written import Written

__all__ = ["describe", "load", "requirements", "save", "surroundings", "write"]


def write(flavor_name: str, model: Any, folder: Path, wished: Wishes, options: Mapping[str, Any]) -> Written:
    """Write a model and the code that goes with it into a folder of its own, now; after an error it is empty.

    `MisuseError`: the flavor cannot write this model, or has no such option.
    """
    module, done = known.flavor(flavor_name), False
    try:
        written: Written = module.write(model, folder, **options)
        taken = codepaths.copy(wished.code, folder)
        done = True
    finally:
        if not done:
            _emptied(folder)
    if not taken:
        return written
    entries = {name: {**conf, codepaths.CODE: codepaths.CODE} for name, conf in written.flavors.items()}
    size = written.size + sum((folder / name).stat().st_size for name in taken)
    return Written(entries, (*written.files, *taken), size, written.modules)


def _emptied(folder: Path) -> None:
    for one in list(folder.iterdir()):
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
        else:
            one.unlink(missing_ok=True)


def describe(
    written: Written,
    *,
    signature: ModelSignature | None = None,
    example: Example | None = None,
    metadata: Mapping[str, Any] | None = None,
    run_id: str = "",
    artifact_path: str = "",
    model_id: str = "",
) -> dict[str, Any]:
    """Return the content of the MLmodel file; the model itself is not needed any more."""
    entries = deepcopy(written.flavors)
    if "python_function" in entries:
        about = {"env": dict(ENVIRONMENT), "python_version": platform.python_version()}
        entries["python_function"] = {**about, **entries["python_function"]}
    extra = len(example.example.encode()) + len(example.serving.encode()) if example else 0
    content = new_mlmodel(entries, signature.to_dict() if signature else None, written.size + extra)
    optional = {
        "artifact_path": artifact_path,
        "metadata": dict(metadata) if metadata else None,
        "model_id": model_id,
        "run_id": run_id,
        "saved_input_example_info": dict(example.info) if example else None,
    }
    return {**content, **{name: value for name, value in optional.items() if value}}


def requirements(written: Written, wished: Wishes) -> list[str]:
    """Return what the user says that the model needs, or else what loading it imports and what the user adds."""
    if wished.given is not None:
        return wished.given
    own = codepaths.modules_of(wished.code)
    return [*requirements_for({*written.modules, *wished.modules}, own), *wished.added]


def surroundings(
    content: dict[str, Any],
    written: Written,
    *,
    requirements: list[str] | None = None,
    example: Example | None = None,
    conda: dict[str, Any] | None = None,
    constraints: list[str] | None = None,
) -> dict[str, str]:
    """Return every file of the model directory but the model's own, as text by name.

    `MisuseError`: the content (the user's metadata) has no JSON form.
    """
    needed = requirements_for(written.modules) if requirements is None else requirements
    return {
        MLMODEL: mlmodel_text(content),
        **environment_files(with_mlflow(needed), conda, constraints),
        **(example.files() if example else {}),
    }


def save(
    flavor_name: str,
    model: Any,
    path: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    conda_env: Any = None,
    metadata: Mapping[str, Any] | None = None,
    code_paths: Any = None,
) -> dict[str, Any]:
    """Write a model directory and return the content of its MLmodel file.

    With an input example and no signature, one is made of both (`signature=False`: none). `MisuseError`: something
    lies at `path`, or the model cannot be written; whatever can be wrong is so before there is a file.
    """
    options = options or {}
    module = known.flavor(flavor_name)
    getattr(module, "check", dict)(**options)
    wished = wishes(
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        code_paths=code_paths,
    )
    folder = fresh_folder(path)
    written = write(flavor_name, model, folder, wished, options)
    signed = wished.signed(module, model, input_example, options)
    content = describe(written, signature=signed.signature, example=wished.example, metadata=metadata)
    content = trusting.sign(folder, content, written.files)
    needed = requirements(written, wished)
    around = surroundings(
        content,
        written,
        requirements=needed,
        example=wished.example,
        conda=wished.conda,
        constraints=wished.constraints,
    )
    write_files(folder, around)
    return content


def load(folder: str | Path, flavor_name: str, *, trust: Any = None, options: Mapping[str, Any] | None = None) -> Any:
    """Load the model of a folder, ours or MLflow's, as the object that its framework made.

    `NotFoundError`: no model there; `MisuseError`: a model of another flavor. What would run code is checked first.
    """
    folder, module = trusting.steady(model_folder(folder), trust), known.flavor(flavor_name)
    content = read_mlmodel(folder)
    name = getattr(module, "FLAVOR", flavor_name)
    conf = content["flavors"].get(name)
    if not isinstance(conf, dict):
        there = ", ".join(map(str, content["flavors"]))
        raise MisuseError(f"the model in {str(folder)!r} is no {flavor_name} model; its flavors: {there}")
    folder = trusting.check(folder, content, [*module.runs_code(folder, conf), *codepaths.files(folder, conf)], trust)
    codepaths.importable(folder, conf)
    return module.load(folder, conf, **(options or {}))
