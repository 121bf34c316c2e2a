"""Both sides of the trip from `autolog()` to the real MLflow, each in a process of its own.

`python recorded.py write FOLDER` trains under autologging, into the store of FOLDER; `python recorded.py read FOLDER`
loads by MLflow what lies there, and never imports fitscribe.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

DATA = np.random.default_rng(5).normal(size=(12, 4)).astype("float32")
TARGETS = DATA[:, :2].copy()


@keras.saving.register_keras_serializable("trips")
class Doubling(keras.layers.Layer):
    """A layer that is registered: it is found where this module is imported."""

    def call(self, x):
        return x * 2


class Halving(keras.layers.Layer):
    """A layer that nobody registered: it is given to whoever loads it."""

    def call(self, x):
        return x / 2


@keras.saving.register_keras_serializable("trips")
class Subclass(keras.Model):
    """A model whose layers are made in Python."""

    def __init__(self, width=2, **options):
        super().__init__(**options)
        self.width, self.dense = width, keras.layers.Dense(width)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def sequential(*layers):
    return keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)])


def two_inputs():
    inputs = {name: keras.Input((2,), name=name) for name in ("left", "right")}
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(list(inputs.values()))))


NAMED = {"left": DATA[:, :2], "right": DATA[:, 2:]}
CASES = {
    "plain": (sequential, DATA),
    "by data": (lambda: keras.Sequential([keras.layers.Dense(2)]), DATA),
    "doubles": (lambda: sequential(keras.layers.Dense(3), keras.layers.Dense(2)), DATA.astype("float64")),
    "two inputs": (two_inputs, NAMED),
    "two in a list": (lambda: keras.Model(list((made := two_inputs()).inputs), made.outputs[0]), list(NAMED.values())),
    "registered": (lambda: sequential(Doubling()), DATA),
    "not registered": (lambda: sequential(Halving()), DATA),
    "function": (lambda: sequential(keras.layers.Lambda(lambda x: x * 3)), DATA),
    "subclass": (Subclass, DATA),
}
CODE = {"function"}  # MLflow's pyfunc has no way to be told that it may be loaded
GIVEN = {"not registered": {"Halving": Halving}}


def write(folder):
    import fitscribe

    fitscribe.autolog(log_input_examples=True)
    answers = {}
    for name, (make, x) in CASES.items():
        keras.utils.set_random_seed(1)
        model = make()
        model.compile("adam", "mse")
        with fitscribe.start_run(run_name=name):
            model.fit(x, TARGETS, epochs=2, verbose=0)
        answers[name] = model.predict(x, verbose=0)
    assert fitscribe.flush()
    np.savez(folder / "answers.npz", **answers)
    runs = fitscribe.search_runs(output_format="list")
    kept = {run.info.run_name: fitscribe.artifacts.download_artifacts(f"{run.info.artifact_uri}/model") for run in runs}
    (folder / "kept.json").write_text(json.dumps(kept))


def read(folder):
    import mlflow

    answers = np.load(folder / "answers.npz")
    for name, kept in json.loads((folder / "kept.json").read_text()).items():
        data = CASES[name][1]
        options = {"load_model_kwargs": {"safe_mode": False}} if name in CODE else {}
        model = mlflow.keras.load_model(kept, custom_objects=GIVEN.get(name), **options)
        np.testing.assert_allclose(model.predict(data, verbose=0), answers[name], rtol=1e-4, atol=1e-6)
        about = mlflow.models.Model.load(kept)
        assert about.signature.inputs, name
        assert about.signature.outputs, name
        example = about.load_input_example(kept)
        assert len(next(iter(example.values())) if isinstance(example, dict) else example) == 5, name
        if name in CODE or name in GIVEN:
            continue
        asked = mlflow.pyfunc.load_model(kept)
        for one in (NAMED if isinstance(data, list) else data, example):
            made = asked.predict(one)
            np.testing.assert_allclose(made, answers[name][: len(made)], rtol=1e-4, atol=1e-6)
    assert "fitscribe" not in sys.modules
    (folder / "read.json").write_text(json.dumps(sorted(answers)))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
