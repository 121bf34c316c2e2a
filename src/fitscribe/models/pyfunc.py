"""The python_function flavor: a user's own model to a directory and back, and any model by the one word `predict`."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.models import python_model as own_classes
from fitscribe.models import scripts, serialization
from fitscribe.models.asking import Predictor, item_of
from fitscribe.models.format import MLMODEL
from fitscribe.models.inside import inside
from fitscribe.models.loaded import PyFuncModel, loaded
from fitscribe.models.python_model import FunctionModel, PythonModel, PythonModelContext
from fitscribe.models.written import Written

__all__ = [
    "FLAVOR",
    "Predictor",
    "PyFuncModel",
    "answers",
    "check",
    "hinted",
    "load",
    "predictor",
    "runs_code",
    "write",
]

FLAVOR = "python_function"
PICKLED = "python_model.pkl"
_lock = threading.Lock()


def check(
    loader_module: str | None = None, data_path: str | Path | None = None, python_model: bool = True, **options: Any
) -> None:
    """Raise `MisuseError` for options that `write` will refuse whatever the model is."""
    if data_path is not None and loader_module is None:
        raise MisuseError("data_path goes with loader_module, the module whose _load_pyfunc reads it")
    for name, path in (options.get("artifacts") or {}).items():
        if not Path(path).exists():
            raise MisuseError(f"the artifact {name!r} of the model is {str(path)!r}, and nothing is there")


def write(
    model: Any,
    folder: Path,
    *,
    artifacts: Mapping[str, str | Path] | None = None,
    uris: Mapping[str, str] | None = None,
    model_config: Mapping[str, Any] | str | Path | None = None,
    streamable: bool | None = None,
    loader_module: str | None = None,
    data_path: str | Path | None = None,
    limit: float | None = None,
) -> Written:
    """Write an object with `predict`, a class of such, a function, or a script's path, with its artifacts; now.

    `artifacts` are local paths by name, `uris` where they came from; with a `loader_module` that module's
    `_load_pyfunc(data_path)` makes the model instead. `MisuseError`: it cannot be pickled, or is no model.
    """
    config = scripts.read_config(model_config) if isinstance(model_config, (str, Path)) else dict(model_config or {})
    modules: set[str] = set()
    if loader_module is not None:
        conf: dict[str, Any] = {"loader_module": loader_module}
        modules.add(loader_module)
        if data_path is not None:
            conf["data"] = _copied(Path(data_path), folder / "data").relative_to(folder).as_posix()
    elif isinstance(model, (str, Path)):
        conf, modules = _from_code(Path(model), folder, config)
    else:
        conf, modules = _pickled(model, folder, limit)
    if streamable is None and conf.get("python_model"):
        streamable = bool(getattr(_model_of(model), "predict_stream", None)) and _streams(_model_of(model))
    entry = {
        **conf,
        **({"artifacts": _artifacts(artifacts, uris or {}, folder)} if artifacts else {}),
        **({"config": config} if config else {}),
        **({} if loader_module else {"streamable": bool(streamable)}),
    }
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    names = tuple(one.relative_to(folder).as_posix() for one in files)
    return Written({FLAVOR: entry}, names, size, tuple(sorted(modules)))


def _pickled(model: Any, folder: Path, limit: float | None) -> tuple[dict[str, Any], set[str]]:
    import cloudpickle

    found = _model_of(model)
    with _by_value(own_classes):
        modules = serialization.dump(found, folder / PICKLED, "cloudpickle", limit=limit)
    modules.discard(own_classes.__name__)
    about = {"cloudpickle_version": str(cloudpickle.__version__), "python_model": PICKLED}
    return {"loader_module": "mlflow.pyfunc.model", **about}, {*modules, "cloudpickle"}


def _from_code(script: Path, folder: Path, config: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    if not script.is_file():
        raise MisuseError(f"python_model is {str(script)!r}, and there is no such script")
    modules = scripts.imports_of(script)
    scripts.run(script, config or None)
    shutil.copyfile(script, folder / script.name)
    return {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": script.name}, modules


def _model_of(model: Any) -> Any:
    """Return the object that is the model: an instance for a class, and what calls a function for that."""
    found = model() if isinstance(model, type) else model
    ask = getattr(found, "predict", None)
    if callable(ask):  # MLflow's loader asks for more than that
        return found if hasattr(found, "load_context") else FunctionModel(ask)
    if callable(found):
        return FunctionModel(found)
    raise MisuseError(f"python_model is {model!r:.80}; give an object with predict, a function, or a script's path")


def _streams(model: Any) -> bool:
    """Tell if a model has a `predict_stream` of its own, not that of a parent which only says that it has none."""
    own = type(model).predict_stream
    return own is not PythonModel.predict_stream and not own.__module__.startswith("mlflow.")


@contextmanager
def _by_value(module: Any) -> Iterator[None]:
    """Let classes of a module be written whole: whoever loads the model needs the module no more."""
    import cloudpickle

    with _lock:
        cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            cloudpickle.unregister_pickle_by_value(module)


def _artifacts(artifacts: Mapping[str, str | Path], uris: Mapping[str, str], folder: Path) -> dict[str, Any]:
    names = [Path(path).resolve().name for path in artifacts.values()]
    found = {}
    for name, path in artifacts.items():
        source = Path(path).resolve()
        alone = names.count(source.name) == 1
        target = _copied(source, folder / "artifacts" if alone else folder / "artifacts" / _plain(name))
        found[name] = {"path": target.relative_to(folder).as_posix(), "uri": uris.get(name, str(path))}
    return found


def _plain(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in str(name)).strip(".") or "_"


def _copied(source: Path, target: Path) -> Path:
    place = target / source.resolve().name
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place)
    else:
        shutil.copyfile(source, place)
    return place


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what the model answers to these rows, with its artifacts as they are now."""
    if options.get("loader_module"):
        return None
    config = options.get("model_config")
    config = scripts.read_config(config) if isinstance(config, (str, Path)) else dict(config or {})
    found = scripts.run(Path(model), config or None) if isinstance(model, (str, Path)) else model
    found = _model_of(found)
    context = PythonModelContext({name: str(path) for name, path in (options.get("artifacts") or {}).items()}, config)
    getattr(found, "load_context", lambda context: None)(context)
    return Predictor(found, context).predict(rows)


def hinted(model: Any) -> list[dict[str, Any]] | None:
    """Return the input columns that the type hint of `predict` promises (`list[str]` and the like), or None."""
    names = {str: "string", int: "long", float: "double", bool: "boolean", bytes: "binary"}
    if isinstance(model, (str, Path, type)) or model is None:
        return None
    hint = getattr(getattr(_model_of(model), "predict_type_hints", None), "input", None)
    inner = item_of(hint)
    return [{"type": names[inner], "required": True}] if inner in names else None


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files that run when the model is loaded: its pickle, its script, or what a loader module reads."""
    if conf.get("model_code_path"):
        return [_script(conf)]
    return [str(conf.get("python_model") or conf.get("data") or MLMODEL)]


def predictor(folder: Path, conf: Mapping[str, Any], *, model_config: Mapping[str, Any] | None = None) -> Predictor:
    """Load a python model with its artifacts; this runs what its pickle or its script says."""
    config = {**(conf.get("config") or {}), **(model_config or {})}
    found = _model_of(_own(folder, conf, config))
    named = (conf.get("artifacts") or {}).items()
    artifacts = {str(name): str(inside(folder, one.get("path")).absolute()) for name, one in named}
    context = PythonModelContext(artifacts, config or None)
    getattr(found, "load_context", lambda context: None)(context)
    return Predictor(found, context)


def load(
    folder: str | Path,
    *,
    trust: Any = None,
    suppress_warnings: bool = False,
    model_config: Mapping[str, Any] | str | Path | None = None,
) -> PyFuncModel:
    """Load the model of a folder, of any flavor, ours or MLflow's, to be asked by `predict`.

    `NotFoundError`: there is none; `MisuseError`: it answers nothing; `UntrustedModel`: it would run code that nobody
    vouches for.
    """
    config = scripts.read_config(model_config) if isinstance(model_config, (str, Path)) else model_config
    return loaded(Path(folder), trust=trust, suppress_warnings=suppress_warnings, model_config=config)


def _own(folder: Path, conf: Mapping[str, Any], config: dict[str, Any]) -> Any:
    """Load a user's own object, without its context. `MisuseError`: the directory names none."""
    if conf.get("model_code_path"):
        return scripts.run(inside(folder, _script(conf)), config or None)
    file = inside(folder, conf.get("python_model"))
    if not file.is_file():
        raise MisuseError(f"the model in {str(folder)!r} has no file {conf.get('python_model')!r}")
    return serialization.load(file, "cloudpickle")


def _script(conf: Mapping[str, Any]) -> str:
    """Return the name of a model's script in its folder; MLflow notes the path that it had elsewhere."""
    return str(conf["model_code_path"]).replace("\\", "/").rpartition("/")[2]
