"""A trained model becomes artifacts of a run: its own files now, everything around them in the background."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe.errors import MissingFile, MisuseError
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

AT_ONCE = 32  # files that are recorded on the user's thread, in less than a tenth of a millisecond each

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
    **about: Any,
) -> dict[str, Any]:
    """Write a model into a folder of the spool, now, and record it as a model directory under `path`.

    `params` are what was configured, if not the params of the run; more `about` the model is for
    `Run.model_begun`. Returns the content of its MLmodel file as far as it is known, with our id of the model;
    nothing when no disk takes it.
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
    run.model_begun(path, model_id, params, **about)
    kept = run.aside or _linked(run, path, folder, written, model_id)
    run.later(partial(_finish, run, path, folder, written, kept, content, wished, register_as, model_id))
    return {**content, "model_id": model_id}


def _finish(
    run: Run,
    path: str,
    folder: Path,
    written: Written,
    kept: bool,
    content: dict[str, Any],
    wished: Wishes,
    register_as: str,
    model_id: str,
) -> None:
    """Write what stands around the model's own files: slow to find out, but not in need of the model."""
    signed = trusting.sign(folder, content, written.files)
    if not kept:
        for name, file in _places(folder, written).items():
            (folder / name).replace(file)
            run.log_spooled(file, f"{path}/{name}", model_id)
    shutil.rmtree(folder, ignore_errors=True)
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


def _linked(run: Run, path: str, folder: Path, written: Written, model_id: str) -> bool:
    """Record the model's files now, under second names, so that not even a kill loses them; False where that is slow.

    The first names stay until the signature is made: what was delivered is removed from the spool.
    """
    places = _places(folder, written)
    if len(places) > AT_ONCE:
        return False
    try:
        for name, file in places.items():
            os.link(folder / name, file)
    except OSError:  # a disk without such names
        for file in places.values():
            file.unlink(missing_ok=True)
        return False
    for name, file in places.items():
        run.log_spooled(file, f"{path}/{name}", model_id)
    return True


def _places(folder: Path, written: Written) -> dict[str, Path]:
    """Return where the model's files go by their names: what lies in a spool are files, no folders."""
    names = enumerate(written.files)
    return {name: folder.with_name(f"{folder.name}-{at}-{name.rpartition('/')[2][-80:]}") for at, name in names}


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
        output = None
        with contextlib.suppress(MisuseError):  # no model of this flavor: who writes it says so
            output = flavors.answers(flavors.flavor(flavor), model, rows, **(options or {})) if signature else None
        if output is not None:
            found = infer_signature(data, output)
    return found, example
