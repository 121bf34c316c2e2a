"""A trained model becomes artifacts of a run: its own files now, everything around them in the background."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe.errors import MissingFile
from fitscribe.guard import guarded, warn_once
from fitscribe.models import directory, flavors
from fitscribe.models import trust as trusting
from fitscribe.models.wishes import Wishes
from fitscribe.records import new_id

if TYPE_CHECKING:
    from fitscribe.models.examples import Example
    from fitscribe.models.signature import ModelSignature
    from fitscribe.models.written import Written
    from fitscribe.run import Run

__all__ = ["last", "looked_at", "record"]

last: tuple[str, str] | None = None
"""The tracking URI and our id of the model that this process recorded last."""


def record(
    run: Run,
    model: Any,
    path: str,
    *,
    flavor: str = "sklearn",
    wished: Wishes | None = None,
    options: Mapping[str, Any] | None = None,
    register_as: str = "",
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a model into a folder of the spool, now, and record it as a model directory under `path`.

    `params` are what was configured, if not the params of the run. Returns the content of its MLmodel file as far as it
    is known, with the model's id of ours, nothing when no disk takes the model.
    `MisuseError`: the flavor cannot write it; nothing of it is recorded then.
    """
    wished = wished or Wishes()
    folder = run.spool_path(f"{flavor}-model")
    written = None
    try:
        folder.mkdir(parents=True)
        written = directory.write(flavor, model, folder, wished, options or {})
    except MissingFile:
        raise
    except OSError as error:  # a full disk is no reason to end the training
        shutil.rmtree(folder, ignore_errors=True)
        warn_once("no disk takes the model (%s); it is left out", error.strerror or error)
        run.log_spooled(folder, path)
        return {}
    finally:
        if written is None:
            shutil.rmtree(folder, ignore_errors=True)
    content = directory.describe(
        written, signature=wished.signature, example=wished.example, metadata=wished.metadata, artifact_path=path
    )
    global last
    model_id = f"m-{new_id()}"
    last = run.to, model_id
    run.later(partial(_finish, run, path, folder, written, content, wished, register_as, model_id, dict(params or {})))
    return {**content, "model_id": model_id}


def _finish(
    run: Run,
    path: str,
    folder: Path,
    written: Written,
    content: dict[str, Any],
    wished: Wishes,
    register_as: str,
    model_id: str,
    params: dict[str, Any],
) -> None:
    """Write what stands around the model's own files: slow to find out, but not in need of the model."""
    signed = trusting.sign(folder, content, written.files)
    run.model_begun(path, model_id, params)
    _spool(run, path, folder, written, model_id)
    around = directory.surroundings(
        signed,
        written,
        requirements=directory.requirements(written, wished),
        example=wished.example,
        conda=wished.conda,
        constraints=wished.constraints,
    )
    for name, text in around.items():
        run.log_text(text, f"{path}/{name}", model_id)
    run.model_logged(path, content, register_as, model_id)


def _spool(run: Run, path: str, folder: Path, written: Written, model_id: str) -> None:
    """Record the model's files, each moved out of the folder: what lies in a spool are files, no folders."""
    for number, name in enumerate(written.files):
        file = folder.with_name(f"{folder.name}-{number}-{name.rpartition('/')[2][-80:]}")
        (folder / name).replace(file)
        run.log_spooled(file, f"{path}/{name}", model_id)
    shutil.rmtree(folder, ignore_errors=True)


def looked_at(
    model: Any,
    data: Any,
    *,
    flavor: str = "sklearn",
    signature: bool = True,
    input_example: bool = False,
    options: Mapping[str, Any] | None = None,
) -> tuple[ModelSignature | None, Example | None]:
    """Return what a model takes and gives, by its first five rows of training data, and those rows as an example.

    The rows are copied; nothing else of the data is touched.
    """
    from fitscribe.models import examples
    from fitscribe.models.signature import infer_signature

    if data is None or not (signature or input_example):
        return None, None
    found = example = None
    with guarded("looking at what the model takes"):
        rows = examples.first_rows(data)
        if input_example:
            example = examples.input_example(rows)
        output = flavors.answers(flavors.flavor(flavor), model, rows, **(options or {})) if signature else None
        if output is not None:
            found = infer_signature(data, output)
    return found, example
