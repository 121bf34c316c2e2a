"""A trained model becomes artifacts of a run: its own file now, everything around it in the background."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe.errors import MisuseError
from fitscribe.guard import guarded, warn_once
from fitscribe.models import sklearn as flavor

if TYPE_CHECKING:
    from fitscribe.models.examples import Example
    from fitscribe.models.signature import ModelSignature
    from fitscribe.run import Run

__all__ = ["looked_at", "record"]


def record(
    run: Run,
    model: Any,
    path: str,
    *,
    serialization_format: Any = "cloudpickle",
    signature: ModelSignature | None = None,
    example: Example | None = None,
    requirements: Callable[[flavor.PickledModel], list[str]] = flavor.default_requirements,
    metadata: Mapping[str, Any] | None = None,
    predict_fn: str = "predict",
    trusted: Iterable[str] = (),
    limit: float | None = None,
) -> None:
    """Pickle a model into the spool, now, and record it as a model directory under `path`.

    `MisuseError`: it cannot be written in that format; nothing of it is recorded then.
    """
    file = run.spool_path(flavor.file_name(serialization_format))
    try:
        kept = flavor.pickle_model(
            model, file, serialization_format, pyfunc_predict_fn=predict_fn, skops_trusted_types=trusted, limit=limit
        )
    except MisuseError:
        raise
    except OSError as error:  # a full disk is no reason to end the training
        with contextlib.suppress(OSError):
            file.unlink()
        warn_once("no disk takes the model (%s); it is left out", error.strerror or error)
        run.log_spooled(file, path)
        return
    content = flavor.describe(kept, signature=signature, example=example, metadata=metadata, artifact_path=path)
    run.later(partial(_finish, run, path, file, kept, content, requirements, example))


def _finish(
    run: Run,
    path: str,
    file: Path,
    kept: flavor.PickledModel,
    content: dict[str, Any],
    requirements: Callable[[flavor.PickledModel], list[str]],
    example: Example | None,
) -> None:
    """Write what stands around the model's own file: slow to find out, but not in need of the model."""
    run.log_spooled(file, f"{path}/{kept.file}")
    for name, text in flavor.model_files(content, kept, requirements=requirements(kept), example=example).items():
        run.log_text(text, f"{path}/{name}")
    run.model_logged(path, content)


def looked_at(
    model: Any, data: Any, *, signature: bool = True, input_example: bool = False
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
        ask = getattr(model, "predict", None) or getattr(model, "transform", None)
        if signature and ask is not None:
            found = infer_signature(data, ask(rows))
    return found, example
