"""`fitscribe.<name>` of an installed integration, ours or a third party's, that has no module of its own here.

What it can: `autolog(**options)`, and where a model flavor of that name is installed as well, `log_model`, `save_model`
and `load_model`. Nothing is imported before it is asked for; the framework never is.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fitscribe import autologging, discovery
from fitscribe.errors import MisuseError
from fitscribe.guard import quietly

if TYPE_CHECKING:
    from fitscribe.publishing import LoggedModel

__all__ = ["face", "shown"]

MODELS = ("log_model", "save_model", "load_model")
AROUND = {
    "artifact_path",
    "await_registration_for",
    "code_paths",
    "conda_env",
    "extra_pip_requirements",
    "input_example",
    "metadata",
    "mlflow_model",
    "model_type",
    "name",
    "params",
    "pip_requirements",
    "registered_model_name",
    "run_id",
    "signature",
    "step",
    "tags",
}
"""The words of `log_model` and `save_model` that every flavor takes; others are the flavor's own."""


def face(name: str) -> ModuleType | None:
    """Return the module `fitscribe.<name>`, or None where no integration of that name is installed."""
    if name not in discovery.names():
        return None
    made = ModuleType(f"fitscribe.{name}", f"Autologging of {name}: `autolog()`; {', '.join(MODELS)} with its flavor.")
    vars(made)["__getattr__"], vars(made)["__dir__"] = shown(made.__name__)
    return sys.modules.setdefault(made.__name__, made)  # from here on `import fitscribe.<name>` finds it as well


def shown(module: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of the module `fitscribe.<name>`."""
    name = module.removeprefix("fitscribe.")

    def __getattr__(asked: str) -> Any:
        if asked == "autolog":
            found: Any = _autolog(name)
        elif asked in MODELS and _has_flavor(name):
            found = _model_words(name)[asked]
        elif asked in MODELS:
            raise AttributeError(
                f"{module} has no {asked}: no model flavor {name!r} is installed (entry points of the group "
                "fitscribe.flavors); fitscribe.pyfunc logs any model as a python model"
            )
        else:
            raise AttributeError(f"module {module!r} has no attribute {asked!r}; it has {', '.join(__dir__())}")
        vars(sys.modules[module])[asked] = found
        return found

    def __dir__() -> list[str]:
        return sorted({"autolog", *(MODELS if _has_flavor(name) else ())})

    return __getattr__, __dir__


def _autolog(name: str) -> Callable[..., None]:
    def autolog(**options: Any) -> None:
        autologging.autolog_one(name, options)

    autolog.__module__, autolog.__qualname__ = f"fitscribe.{name}", "autolog"
    found = quietly(discovery.integration, name, default=None)  # a broken one says so when it is called
    takes: Mapping[str, Any] = {} if found is None else found.defaults
    if found is not None:
        kinds = inspect.Parameter
        given = [kinds(option, kinds.KEYWORD_ONLY, default=takes[option]) for option in takes]
        autolog.__signature__ = inspect.Signature(given, return_annotation=None)  # type: ignore[attr-defined]
    autolog.__doc__ = (
        f"Record every training run of {name} in this process from here on.\n\n"
        "Options that are not given stay as they were told before. `Unavailable`: the framework is not installed in a\n"
        "version this works with; `MisuseError`: an option that it does not have, or a value that it cannot take."
    )
    return autolog


def _has_flavor(name: str) -> bool:
    from fitscribe.models import flavors

    return name in flavors.FLAVORS or bool(metadata.entry_points(group=flavors.GROUP, name=name))


def _model_words(name: str) -> dict[str, Callable[..., Any]]:
    def log_model(model: Any = None, artifact_path: str | None = None, **words: Any) -> LoggedModel:
        """Record a model as a model directory of the current run; return where: its `model_uri` can be loaded from.

        The words are MLflow's: `name`, `signature`, `input_example`, `registered_model_name`, ...; others are handed to
        the flavor. It is written before this returns; the upload happens in the background. `MisuseError`: it cannot
        be written, or the flavor has no such option.
        """
        from fitscribe import publishing

        model, around, options = _parted(name, model, words)
        return publishing.log(name, model, artifact_path=artifact_path, options=options, **around)

    def save_model(model: Any = None, path: str | Path = "model", **words: Any) -> None:
        """Write a model directory that `load_model` loads. `MisuseError`: as `log_model`, or something lies there."""
        from fitscribe import publishing

        model, around, options = _parted(name, model, words)
        publishing.save(name, model, path, options=options, **around)

    def load_model(model_uri: str | Path, dst_path: str | Path | None = None, *, trust: Any = None, **o: Any) -> Any:
        """Load a model from any model URI (`runs:/...`, `models:/...`) or a folder; other words are the flavor's.

        One that would run code to be loaded, and is not signed by this user or team, needs `trust=True`.
        `NotFoundError`: there is no model; `MisuseError`: it is one of another flavor, or that has no such option.
        """
        from fitscribe import publishing

        _check(name, "load", o, {"dst_path", "trust"})
        return publishing.load(name, model_uri, dst_path, trust=trust, options=o)

    found: dict[str, Callable[..., Any]] = {"log_model": log_model, "save_model": save_model, "load_model": load_model}
    for word, function in found.items():
        function.__module__, function.__qualname__ = f"fitscribe.{name}", word
    return found


def _parted(name: str, model: Any, words: Mapping[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return the model, the words that every flavor takes, and the flavor's own. `MisuseError`: one that neither knows.

    The model may come under MLflow's name for it, such as `xgb_model`.
    """
    around = {word: value for word, value in words.items() if word in AROUND}
    options = {word: value for word, value in words.items() if word not in AROUND}
    if model is None:
        model = options.pop(next((word for word in options if word.endswith("_model")), ""), None)
    if model is None:
        raise MisuseError(f"fitscribe.{name} was given no model; it is the first argument")
    _check(name, "write", options, AROUND)
    return model, around, options


def _check(name: str, function: str, options: Mapping[str, Any], others: set[str]) -> None:
    """Raise `MisuseError` for an option that a flavor does not take; `others` may be given beside its own."""
    from fitscribe.models import flavors

    takes = inspect.signature(getattr(flavors.flavor(name), function)).parameters.values()
    own = {each.name for each in takes if each.kind is each.KEYWORD_ONLY}
    for option in () if any(each.kind is each.VAR_KEYWORD for each in takes) else options:
        if option not in own:
            there = ", ".join(sorted(own | others))
            raise MisuseError(f"fitscribe.{name} has no option {option!r}; it has {there}")
