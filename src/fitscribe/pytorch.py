"""fitscribe.pytorch: autologging of training loops; PyTorch modules, state dicts and checkpoints logged and loaded."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from fitscribe import autologging, discovery
from fitscribe.errors import MisuseError, NotFoundError, Unavailable

if TYPE_CHECKING:
    from typing import Unpack

    from fitscribe.integrations.torch.watching import Watched
    from fitscribe.publishing import LoggedModel

__all__ = [
    "autolog",
    "load_checkpoint",
    "load_model",
    "load_state_dict",
    "log_model",
    "log_state_dict",
    "save_model",
    "save_state_dict",
    "watch",
]

Format = Literal["pickle", "pt2", "safetensors"]

LATEST = "mlflow.latest_checkpoint_artifact"  # the tag that tells where a run's last checkpoint is


class Options(TypedDict, total=False):
    """What `autolog` takes: MLflow's words, and their meaning there; `log_gradient_norm` is of training loops."""

    log_every_n_epoch: int | None
    log_every_n_step: int | None
    log_gradient_norm: bool
    log_models: bool
    log_model_signatures: bool
    log_datasets: bool
    checkpoint: bool
    checkpoint_monitor: str
    checkpoint_mode: Literal["min", "max"]
    checkpoint_save_best_only: bool
    checkpoint_save_weights_only: bool
    checkpoint_save_freq: Literal["epoch"] | int
    registered_model_name: str | None
    max_model_size: float | None
    disable: bool
    exclusive: bool
    disable_for_unsupported_versions: bool
    silent: bool
    extra_tags: Mapping[str, str] | None


def autolog(**options: Unpack[Options]) -> None:
    """Record every hand-written training loop of this process from here on, and what Lightning trains.

    Of a loop: the loss of every step up to 100, then of every tenth, or of every `log_every_n_step`; the norm of the
    gradients where it is clipped, and elsewhere with `log_gradient_norm=True`; what is trained on, from its DataLoader.
    When its model is done nobody tells: `watch(..., log_models=True)` or `log_model` record that. The other options
    are Lightning's, see `fitscribe.lightning.autolog`. `Unavailable`: no PyTorch in a version this works with;
    `MisuseError`: a value that an option cannot take.
    """
    given: dict[str, Any] = dict(options)
    autologging.autolog_one("torch", {name: given[name] for name in given if name not in OF_LIGHTNING})
    for name in ("lightning", "pytorch_lightning"):
        with contextlib.suppress(Unavailable):  # who has no Lightning has loops
            autologging.autolog_one(name, {key: given[key] for key in given if key not in OF_LOOPS})


OF_LOOPS = ("log_gradient_norm",)
OF_LIGHTNING = Options.__optional_keys__ - {
    "log_every_n_step", "log_gradient_norm", "log_models", "log_datasets",
    "disable", "exclusive", "disable_for_unsupported_versions", "silent", "extra_tags",
}  # fmt: skip


def watch(model: Any, optimizer: Any, *, run_name: str = "", log_models: bool = False) -> Watched:
    """Say that a training begins here: of this module (or several), by this optimizer (or several).

    Nothing has to be guessed then: they share one run, and no other optimizer is in it. It ends when the optimizers
    are let go of, with `end()` of what is returned, or with its block: `with fitscribe.pytorch.watch(net, adam):`.
    `log_models=True` records the model as it is at that end, unless that is an error; until then it is kept alive.
    Switches the recording of loops on. `MisuseError`: these are no modules and optimizers.
    """
    autologging.autolog_one("torch", {})
    loops: Any = discovery.integration("torch")
    watched: Watched = loops.watch(model, optimizer, run_name, log_models)
    return watched


def log_model(
    pytorch_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Iterable[str | Path] | None = None,
    pickle_module: Any = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = None,
    extra_files: Iterable[str | Path] | None = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    export_model: bool = False,
    serialization_format: Format | None = None,
    *,
    dynamic_shapes: Any = None,
    run_id: str | None = None,
    **kwargs: Any,
) -> LoggedModel:
    """Record a module as a model directory of the current run; return where: its `model_uri` can be loaded from.

    Formats: "pickle" (the default, which every MLflow loads), "pt2" (an exported program, traced with
    `input_example`; MLflow 2 does not load it), "safetensors" (weights alone; runs nothing when loaded). Modules on
    a GPU are written as of the CPU. It is written before this returns; the upload happens in the background. `kwargs`
    are `torch.save`'s. `MisuseError`: it cannot be written in that format.
    """
    from fitscribe import publishing

    form = _format(serialization_format, export_model)
    return publishing.log(
        _flavor(pytorch_model),
        pytorch_model,
        name=name,
        artifact_path=artifact_path,
        options=_options(form, input_example, signature, dynamic_shapes, pickle_module, extra_files, kwargs),
        signature=signature,
        input_example=_example(input_example),
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        code_paths=code_paths,
        registered_model_name=registered_model_name,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        await_registration_for=await_registration_for,
        run_id=run_id,
    )


def save_model(
    pytorch_model: Any,
    path: str | Path,
    conda_env: Any = None,
    mlflow_model: Any = None,
    code_paths: Iterable[str | Path] | None = None,
    pickle_module: Any = None,
    signature: Any = None,
    input_example: Any = None,
    extra_files: Iterable[str | Path] | None = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    export_model: bool = False,
    serialization_format: Format | None = None,
    *,
    dynamic_shapes: Any = None,
    **kwargs: Any,
) -> None:
    """Write a model directory that `load_model` here and in MLflow loads; the arguments are those of `log_model`.

    `MisuseError`: something lies at `path`, or the module cannot be written in that format.
    """
    from fitscribe import publishing

    form = _format(serialization_format, export_model)
    publishing.save(
        _flavor(pytorch_model),
        pytorch_model,
        path,
        mlflow_model=mlflow_model,
        options=_options(form, input_example, signature, dynamic_shapes, pickle_module, extra_files, kwargs),
        signature=signature,
        input_example=_example(input_example),
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        code_paths=code_paths,
    )


def load_model(
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    *,
    model: Any = None,
    model_kwargs: Mapping[str, Any] | None = None,
    trust: bool | str | Iterable[str] | None = None,
    **kwargs: Any,
) -> Any:
    """Load a module in evaluation mode, ours or MLflow's, from any model URI (`runs:/...`, `models:/...`) or a folder.

    Weights alone (safetensors) are read into `model`: a module, or a class made with `model_kwargs`. A pickle or an
    exported program that is not signed by this user or team needs `trust=True`, for it runs what it says. `kwargs` are
    `torch.load`'s; tensors of a GPU come to the CPU where there is none. `NotFoundError`: there is no model.
    """
    from fitscribe import publishing

    options = {**kwargs, **({} if model is None else {"model": model, "kwargs": model_kwargs})}
    return publishing.load("pytorch", model_uri, dst_path, trust=trust, options=options)


def save_state_dict(
    state_dict: Mapping[str, Any], path: str | Path, *, serialization_format: str = "pickle", **kwargs: Any
) -> None:
    """Write a state dict into a folder, as `state_dict.pth`; "safetensors" takes one of tensors alone.

    Tensors of a GPU are written as of the CPU; `kwargs` are `torch.save`'s. `MisuseError`: it is no dict, or cannot be
    written.
    """
    from fitscribe.models import statedicts

    statedicts.write(state_dict, Path(path), serialization_format, **kwargs)


def log_state_dict(
    state_dict: Mapping[str, Any],
    artifact_path: str,
    run_id: str | None = None,
    *,
    serialization_format: str = "pickle",
    **kwargs: Any,
) -> None:
    """Record a state dict as a file under the run's artifacts; the arguments are those of `save_state_dict`."""
    from fitscribe import fluent

    with tempfile.TemporaryDirectory(prefix="fitscribe-") as folder:
        save_state_dict(state_dict, folder, serialization_format=serialization_format, **kwargs)
        fluent.log_artifacts(folder, artifact_path, run_id)


def load_state_dict(
    state_dict_uri: str | Path, *, trust: bool | str | Iterable[str] | None = None, **kwargs: Any
) -> Any:
    """Load a state dict from a folder or its URI (`runs:/<run id>/<path>`); `kwargs` are `torch.load`'s.

    It is read with `weights_only=True`; one that holds other objects needs `trust=True`. `NotFoundError`: none there.
    """
    from fitscribe import locating
    from fitscribe.models import statedicts

    with locating.located(state_dict_uri) as folder:
        return statedicts.read(folder, trust, **kwargs)


def load_checkpoint(
    model_class: Any,
    run_id: str | None = None,
    epoch: int | None = None,
    global_step: int | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    checkpoint: str | Path | None = None,
    trust: bool | str | Iterable[str] | None = None,
) -> Any:
    """Make a LightningModule of a checkpoint: a run's latest, that of an epoch or step, or the file at `checkpoint`.

    `kwargs` are those of its `load_from_checkpoint`. Only tensors and plain values are read; a checkpoint with other
    objects needs `trust=True`. `NotFoundError`: there is none.
    """
    from fitscribe import locating
    from fitscribe.models import lightning

    with locating.located(_checkpoint(run_id, epoch, global_step) if checkpoint is None else checkpoint) as file:
        return lightning.load_checkpoint(model_class, file, trust, **(kwargs or {}))


def _checkpoint(run_id: str | None, epoch: int | None, global_step: int | None) -> str:
    """Return the URI of a checkpoint in a run's artifacts, named as MLflow's autologging names them."""
    from fitscribe import fluent
    from fitscribe.client import Client

    if epoch is not None and global_step is not None:
        raise MisuseError("give epoch or global_step, not both")
    current = fluent.active_run()
    if run_id is None and current is None:
        raise MisuseError("there is no active run; give run_id=, or checkpoint= with a path or URI")
    found = run_id or current.info.run_id if current else str(run_id)
    latest = Client().get_run(found).data.tags.get(LATEST)
    if latest is None:
        raise NotFoundError(f"the run {found} has no checkpoint")
    name = latest.rpartition("/")[2]
    if epoch is not None:
        latest = f"checkpoints/epoch_{epoch}/{name}"
    elif global_step is not None:
        latest = f"checkpoints/global_step_{global_step}/{name}"
    return f"runs:/{found}/{latest}"


def _flavor(model: Any) -> str:
    from fitscribe.models import lightning

    return "lightning" if lightning.is_module(model) else "pytorch"


def _format(given: Format | None, export_model: bool) -> Format:
    if export_model and given not in (None, "pt2"):
        raise MisuseError(f"export_model=True is serialization_format='pt2', not {given!r}; leave one of them out")
    return "pt2" if export_model else given or "pickle"


def _options(
    form: Format,
    example: Any,
    signature: Any,
    dynamic_shapes: Any,
    pickle_module: Any,
    extra: Any,
    more: dict[str, Any],
) -> dict[str, Any]:
    from fitscribe.models import pytorch

    if form == "pt2" and dynamic_shapes is None:
        dynamic_shapes = pytorch.free_dimensions(signature)
    traced = {"example": example, "dynamic_shapes": dynamic_shapes} if form == "pt2" else {}
    said = {"serialization_format": form, "pickle_module": pickle_module, "extra_files": extra}
    return {**said, **traced, **more}


def _example(given: Any) -> Any:
    from fitscribe.models import pytorch

    return pytorch.as_example(given)
