"""A model of any flavor, loaded to be asked: `predict` on data that fits its signature."""

from __future__ import annotations

import importlib
import inspect
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import warn_once
from fitscribe.models import codepaths, flavors
from fitscribe.models import trust as trusting
from fitscribe.models.columns import Type
from fitscribe.models.enforcement import fitting, fitting_params
from fitscribe.models.format import MLMODEL, model_folder
from fitscribe.models.inside import inside
from fitscribe.models.model import Model

__all__ = ["PyFuncModel", "loaded"]


class PyFuncModel:
    """What `pyfunc.load_model` gives: `predict`, and what is known of the model as `metadata`."""

    def __init__(self, predictor: Any, metadata: Model, folder: Path, model_config: Mapping[str, Any] | None) -> None:
        """Keep what answers, the MLmodel file's content, and the folder it came from."""
        self._predictor, self.metadata, self.folder = predictor, metadata, folder
        self.model_config = dict(model_config or {})
        self._names = metadata.signature

    @property
    def input_schema(self) -> list[Type] | None:
        """The columns or tensors that the model asks for, or None."""
        return self._names.inputs if self._names else None

    @property
    def output_schema(self) -> list[Type] | None:
        """The columns or tensors that the model answers with, or None."""
        return self._names.outputs if self._names else None

    @property
    def params_schema(self) -> list[Type] | None:
        """The params that `predict` takes beside data, or None."""
        return self._names.params if self._names else None

    @property
    def loader_module(self) -> str:
        """The module that MLflow loads this model by."""
        return str(self.metadata.flavors["python_function"].get("loader_module"))

    @property
    def model_id(self) -> str | None:
        """The id of the logged model, where the model is one."""
        found: str | None = self.metadata.model_id
        return found

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the model's answer to data that fits the signature, as the framework gives it.

        Columns come in any order; what loses nothing is converted. `SignatureMismatch`: the data does not fit; the
        column is named.
        """
        return self._ask(self._predictor.predict, data, params)

    def predict_stream(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return an iterator of the parts of the model's answer. `MisuseError`: this model does not stream."""
        ask = getattr(self._predictor, "predict_stream", None)
        if ask is None:
            raise MisuseError("this model does not stream; ask predict")
        return self._ask(ask, data, params)

    def _ask(self, ask: Any, data: Any, params: Mapping[str, Any] | None) -> Any:
        given = fitting_params(params, self.params_schema)
        data = fitting(data, self.input_schema)
        # MLflow's own predictors, and those of third parties, may take data alone
        return ask(data, params=given) if "params" in inspect.signature(ask).parameters else ask(data)

    def unwrap_python_model(self) -> Any:
        """Return the user's own object of a python model. `MisuseError`: the model is of another flavor."""
        ask = getattr(self._predictor, "unwrap_python_model", None) or getattr(self._predictor, "python_model", None)
        if ask is None:
            raise MisuseError("this is no python model; get_raw_model() returns what its framework made")
        return ask() if callable(ask) and not hasattr(ask, "predict") else ask

    def get_raw_model(self) -> Any:
        """Return what the framework made: an estimator, a module, the user's own object."""
        ask = getattr(self._predictor, "get_raw_model", None)
        return self._predictor if ask is None else ask()

    def __repr__(self) -> str:
        return f"<PyFuncModel {self.loader_module} from {str(self.folder)!r}>"


def loaded(
    folder: Path,
    *,
    trust: Any = None,
    suppress_warnings: bool = False,
    model_config: Mapping[str, Any] | None = None,
) -> PyFuncModel:
    """Load the model of a folder, of any flavor, ours or MLflow's; what would run code is checked first.

    `NotFoundError`: there is none; `MisuseError`: it has no python_function, so it answers nothing.
    """
    folder = trusting.steady(model_folder(folder), trust)
    metadata = Model.load(folder)
    content = metadata.content
    conf = content["flavors"].get("python_function")
    if not isinstance(conf, dict):
        there = ", ".join(map(str, content["flavors"]))
        raise MisuseError(f"the model in {str(folder)!r} has no python_function and answers nothing; it has: {there}")
    module = flavors.flavor_of_loader(conf)
    own = content["flavors"].get(flavors.key_of(module)) if module else None
    described = {**conf, **(own if isinstance(own, dict) else {})}
    files = module.runs_code(folder, described) if module else [str(conf.get("data") or MLMODEL)]
    folder = trusting.check(folder, content, [*files, *codepaths.files(folder, conf)], trust)
    if not suppress_warnings:
        _compare(conf)
    codepaths.importable(folder, conf)
    config = {**(conf.get("config") or {}), **(model_config or {})}
    if module is None:
        answering = _by_loader(folder, conf, config)
    else:
        # what is loaded goes by the same words as what was checked
        answering = module.predictor(folder, described, **({"model_config": config} if config else {}))
    return PyFuncModel(answering, metadata, folder, config)


def _by_loader(folder: Path, conf: Mapping[str, Any], config: dict[str, Any]) -> Any:
    """Load by the module that the model names, as MLflow does: one of MLflow's own, or one in the model's code."""
    name = str(conf.get("loader_module"))
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise MisuseError(
            f"this model is loaded by the module {name!r}, which cannot be imported here: {error}"
        ) from None
    load = getattr(module, "_load_pyfunc", None)
    if load is None:
        raise MisuseError(f"this model's loader is the module {name!r}, which has no _load_pyfunc")
    place = inside(folder, conf["data"]) if conf.get("data") else folder
    more = {"model_config": config} if "model_config" in inspect.signature(load).parameters else {}
    return load(str(place), **more)


def _compare(conf: Mapping[str, Any]) -> None:
    """Warn of another Python, under which a pickle of code may not load."""
    wrote, here = str(conf.get("python_version") or ""), platform.python_version()
    if wrote and wrote.split(".")[:2] != here.split(".")[:2]:
        warn_once("the model was written by Python %s, and this is %s; if it fails to load, that is why", wrote, here)
