"""All that autologging could replace in scikit-learn and joblib, by identity; and scripts of a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import FunctionType
from typing import Any

import fitscribe

WATCHED = ("fit", "fit_transform", "fit_predict", "fit_resample", "partial_fit", "score", "predict", "_run_search")


def everything() -> dict[tuple[Any, ...], Any]:
    """Return every attribute of every module and class of scikit-learn and joblib, and what their functions enclose."""
    found: dict[tuple[Any, ...], Any] = {}
    for name, module in list(sys.modules.items()):
        if module is None or not name.startswith(("sklearn", "joblib")):
            continue
        if "array_api_compat.torch" in name:  # whose names are torch's, some of them made when they are asked for
            continue
        for key, value in list(vars(module).items()):
            _note(found, (name, key), value)
            if isinstance(value, type):
                for attribute, held in list(vars(value).items()):
                    _note(found, (name, key, attribute), held)
    return found


def _note(found: dict[tuple[Any, ...], Any], path: tuple[Any, ...], value: Any) -> None:
    found[path] = value
    if isinstance(value, FunctionType):
        for place, cell in enumerate(value.__closure__ or ()):
            found[(*path, place)] = quietly(cell)
    elif not isinstance(value, type) and isinstance(getattr(value, "fn", None), FunctionType):
        found[(*path, "fn")] = value.fn


def quietly(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def changed(before: dict[tuple[Any, ...], Any], after: dict[tuple[Any, ...], Any]) -> list[tuple[Any, ...]]:
    """Return what is not the same object any more."""
    return [path for path, value in before.items() if after.get(path) is not value]


def script(folder: Path, code: str, *flags: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
    """Run a script in a process of its own, whose store lies in `folder`."""
    import os

    file = folder / "train.py"
    file.write_text(textwrap.dedent(code))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FITSCRIBE_", "MLFLOW_"))}
    command = [sys.executable, *flags, str(file)]
    done = subprocess.run(
        command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def runs(folder: Path) -> list[Any]:
    """Return the runs in the store of a folder, after what is left has been sent."""
    subprocess.run([sys.executable, "-m", "fitscribe", "sync"], cwd=folder, check=False, capture_output=True)
    return list(fitscribe.MlflowClient((folder / ".fitscribe").as_uri()).search_runs(["0"]))
