"""What a model needs, found in the process, in milliseconds, whatever else is imported."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import fitscribe
from fitscribe.models import directory, requirements
from fitscribe.models.format import read_mlmodel

X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])
y = (X["a"] > 0).astype(int)


def names(folder):
    return [line.partition("==")[0] for line in (folder / "requirements.txt").read_text().splitlines()]


@pytest.mark.parametrize("serialization_format", ["cloudpickle", "pickle", "skops"])
def test_skops_model_in_a_process_with_everything_imported_needs_scikit_learn_alone(tmp_path, serialization_format):
    """W-30: the requirements were those of the process, with frameworks and test tools in them."""
    import matplotlib.pyplot  # noqa: F401
    import mlflow  # noqa: F401
    import polars  # noqa: F401

    fitscribe.sklearn.save_model(
        RandomForestClassifier(3).fit(X, y),
        tmp_path / "m",
        serialization_format=serialization_format,
        skops_trusted_types=["sklearn.tree._tree.Tree"],
    )
    tool = [] if serialization_format == "pickle" else [serialization_format]
    assert sorted(names(tmp_path / "m")) == sorted(["mlflow", "numpy", "scikit-learn", "scipy", *tool])


def test_requirements_are_found_in_milliseconds_without_a_process(tmp_path):
    """W-41: each model started a process that loaded it again, for seconds, inside of `fit`."""
    started = []
    sys.addaudithook(lambda event, args: started.append(args) if event == "subprocess.Popen" else None)
    model = LogisticRegression().fit(X, y)
    modules = {"sklearn.linear_model._logistic", "numpy", "scipy", "cloudpickle", "pandas"}
    requirements.requirements_for(modules)
    requirements._owner.cache_clear()
    began = time.perf_counter()
    requirements.requirements_for(modules)
    took = time.perf_counter() - began
    fitscribe.sklearn.save_model(model, tmp_path / "m", input_example=X)
    assert not started
    assert took < 0.3


def test_pins_are_the_versions_that_are_here(tmp_path):
    import sklearn

    fitscribe.sklearn.save_model(LogisticRegression().fit(X, y), tmp_path / "m")
    lines = (tmp_path / "m" / "requirements.txt").read_text().splitlines()
    assert f"scikit-learn=={sklearn.__version__}" in lines
    assert all("==" in line for line in lines)


def test_model_with_code_of_the_users_own_loads_where_that_is_not_installed(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    (source / "steps.py").write_text(
        "from sklearn.base import BaseEstimator, TransformerMixin\n"
        "class Doubled(TransformerMixin, BaseEstimator):\n"
        "    def fit(self, X, y=None):\n        return self\n"
        "    def transform(self, X):\n        return X * 2\n"
    )
    monkeypatch.syspath_prepend(source)
    import steps
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(steps.Doubled(), LogisticRegression()).fit(X, y)
    fitscribe.sklearn.save_model(model, tmp_path / "m", code_paths=[source / "steps.py"], input_example=X)
    assert read_mlmodel(tmp_path / "m")["flavors"]["sklearn"]["code"] == "code"
    reading = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import mlflow, pandas as pd\n"
        "X = pd.DataFrame([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]], columns=['a', 'b', 'c'])\n"
        "print(mlflow.pyfunc.load_model(sys.argv[1]).predict(X).tolist())\n"
        "print(mlflow.sklearn.load_model(sys.argv[1]).predict(X).tolist())\n"
    )
    command = [sys.executable, "-c", reading, str(tmp_path / "m")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["[1, 0]", "[1, 0]"]
    reading = reading.replace("import mlflow,", "import fitscribe as mlflow,")
    command = [sys.executable, "-c", reading, str(tmp_path / "m")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.stdout.splitlines() == ["[1, 0]", "[1, 0]"], done.stderr[-3000:]


def test_data_in_frames_of_polars_names_polars(tmp_path):
    import polars

    frame = polars.DataFrame(X.to_dict("list"))
    content = directory.save("sklearn", LogisticRegression().fit(X, y), tmp_path / "m", input_example=frame)
    assert "polars" in names(tmp_path / "m")
    assert '"name": "a"' in content["signature"]["inputs"]
