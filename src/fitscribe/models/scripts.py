"""Models from code: a script that says which object the model is, and finds its configuration."""

from __future__ import annotations

import ast
import importlib.util
import sys
import threading
import uuid
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from fitscribe.errors import MissingFile, MisuseError, NotFoundError
from fitscribe.guard import outcome
from fitscribe.models.python_model import FunctionModel

__all__ = ["ModelConfig", "imports_of", "read_config", "run", "set_model"]

_THEIRS = "mlflow.models.model", "__mlflow_model__"  # where MLflow looks for it after it ran a script
_CONFIG = "mlflow.models.model_config", "__mlflow_model_config__"

_lock = threading.RLock()
_told: list[Any] = []
_config: ContextVar[Any] = ContextVar("fitscribe.model_config", default=None)


def set_model(model: Any) -> None:
    """Say in a script which object is the model: one with `predict`, or a function. `MisuseError`: it is neither."""
    if isinstance(model, (str, Path)) or not (callable(model) or callable(getattr(model, "predict", None))):
        raise MisuseError(f"set_model was given {model!r:.80}; the model is an object with predict, or a function")
    _told.append(model)
    if _THEIRS[0] in sys.modules:  # whoever runs this script may be MLflow, which asks for `load_context` as well
        ask = getattr(model, "predict", None)
        known = hasattr(model, "load_context") or ask is None
        setattr(sys.modules[_THEIRS[0]], _THEIRS[1], model if known else FunctionModel(ask))


class ModelConfig:
    """The configuration that a model from code was logged or loaded with; `development_config` where it was neither."""

    def __init__(self, *, development_config: dict[str, Any] | str | Path | None = None) -> None:
        """Take a dict, or the path of a YAML file. `MissingFile`: there is none; `MisuseError`: no configuration."""
        found = _config.get()
        if found is None and _CONFIG[0] in sys.modules:
            found = getattr(sys.modules[_CONFIG[0]], _CONFIG[1], None)
        found = development_config if found is None else found
        if not found:
            raise MisuseError("there is no model configuration: give model_config where the model is logged or loaded")
        self._values = found if isinstance(found, dict) else read_config(found)

    def get(self, key: str) -> Any:
        """Return one value. `NotFoundError`: there is none of that name."""
        if key not in self._values:
            raise NotFoundError(f"the model configuration has no {key!r}; it has {', '.join(map(str, self._values))}")
        return self._values[key]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return dict(self._values)


def read_config(file: str | Path) -> dict[str, Any]:
    """Read a YAML file of values. `MissingFile`: it is not there; `MisuseError`: it holds no mapping."""
    import yaml

    try:
        found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFile(f"there is no model configuration {str(file)!r}") from None
    except yaml.YAMLError as error:
        raise MisuseError(f"the model configuration {str(file)!r} is no YAML: {error}") from None
    if not isinstance(found, dict):
        raise MisuseError(f"the model configuration {str(file)!r} is no mapping of names to values")
    return found


def run(script: Path, config: dict[str, Any] | None) -> Any:
    """Run a model's script and return the object that it names by `set_model`, ours or MLflow's.

    `MisuseError`: it names none, or fails; the cause is the script's own error.
    """
    name = f"code_model_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None or spec.loader is None:
        raise MisuseError(f"the model {str(script)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    with _lock:
        theirs = sys.modules.get(_THEIRS[0])
        before = getattr(theirs, _THEIRS[1], None)
        if theirs is not None:
            setattr(theirs, _THEIRS[1], None)
        token, _told[:] = _config.set(config), []
        sys.modules[name] = module  # classes of the script are looked up by its name
        try:
            error = outcome(spec.loader.exec_module, module)
            theirs = sys.modules.get(_THEIRS[0])
            found = _told[-1] if _told else getattr(theirs, _THEIRS[1], None)
        finally:
            _config.reset(token)
            if theirs is not None:
                setattr(theirs, _THEIRS[1], before)
    if isinstance(error, Exception):
        raise MisuseError(f"the model's script {script.name} fails: {type(error).__name__}: {error}") from error
    if found is None:
        raise MisuseError(f"the script {script.name} names no model; let it call fitscribe.models.set_model(model)")
    return found


def imports_of(script: Path) -> set[str]:
    """Return the modules that a script imports, anywhere in it. `MisuseError`: it is no Python."""
    try:
        tree = ast.parse(script.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise MisuseError(f"the model's script {str(script)!r} is no Python: {error}") from None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found
