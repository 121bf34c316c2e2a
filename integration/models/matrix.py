"""One side of the round trips: fitscribe or MLflow, in a process of its own, writes models or loads and uses them.

Run as `python matrix.py LIBRARY JOBS ANSWERS [FRAMEWORKS]`: LIBRARY is `fitscribe` or `mlflow`, JOBS and ANSWERS are
pickle files, FRAMEWORKS a folder of packages to look in last. JOBS is a list of (name of a function here, its
arguments); ANSWERS becomes the list of what they returned. The classes of the models are here, in `__main__`.
"""

import contextlib
import importlib
import os
import pickle
import sys
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if len(sys.argv) > 4:
    sys.path.append(sys.argv[4])

import numpy as np
import pandas as pd

NAMES = ["a", "b", "c", "d"]


def rows():
    return np.random.default_rng(3).normal(size=(7, 4)).astype("float32")


def frame():
    return pd.DataFrame(rows(), columns=NAMES, index=list("tuvwxyz"))


def torch_module(base=None):
    import torch

    class Net(base or torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.last, self.drop = torch.nn.Linear(4, 6), torch.nn.Linear(6, 3), torch.nn.Dropout(0.5)

        def forward(self, x):
            return self.last(self.drop(torch.relu(self.hidden(x))))

    torch.manual_seed(7)
    return Net()


def lightning_module():
    import lightning

    return torch_module(lightning.LightningModule)


def script():
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(torch_module().eval())


def keras_model():
    import keras

    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input([4]), keras.layers.Dense(6, "relu"), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(rows(), rows()[:, :3], verbose=0)
    return model


def named_inputs():
    import keras

    keras.utils.set_random_seed(7)
    inputs = {name: keras.Input([2], name=name) for name in ("left", "right")}
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(list(inputs.values()))))


def custom_layer():
    import keras

    @keras.saving.register_keras_serializable("matrix")
    class Twice(keras.layers.Layer):
        def call(self, x):
            return x * 2

    keras.utils.set_random_seed(7)
    return keras.Sequential([keras.Input([4]), Twice(), keras.layers.Dense(3)])


def lambda_layer():
    import keras

    return keras.Sequential([keras.Input([4]), keras.layers.Lambda(lambda x: x * 3)])


def tf_module():
    import tensorflow as tf

    class Linear(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable(np.arange(12, dtype="float32").reshape(4, 3))

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])
        def __call__(self, x):
            return x @ self.weights

    return Linear()


def estimator():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(rows(), [0, 1, 2, 0, 1, 2, 0])


def python_model():
    class Rounded(public("pyfunc").PythonModel):
        def predict(self, context, model_input, params=None):
            return np.asarray(model_input).round(1).sum(axis=1)

    return Rounded()


CASES = {
    # name: (flavor, what makes the model, options of save_model)
    "sklearn": ("sklearn", estimator, {"serialization_format": "cloudpickle"}),
    "pytorch": ("pytorch", torch_module, {"serialization_format": "pickle"}),
    "pytorch-pt2": ("pytorch", lambda: torch_module().eval(), {"serialization_format": "pt2"}),
    "pytorch-script": ("pytorch", script, {"serialization_format": "pickle"}),
    "lightning": ("lightning", lightning_module, {"serialization_format": "pickle"}),
    "keras": ("keras", keras_model, {}),
    "keras-exported": ("keras", keras_model, {"save_exported_model": True}),
    "keras-lambda": ("keras", lambda_layer, {}),
    "keras-named": ("keras", named_inputs, {}),
    "tensorflow": ("tensorflow", keras_model, {}),
    "tensorflow-custom": ("tensorflow", custom_layer, {}),
    "tensorflow-module": ("tensorflow", tf_module, {}),
    "pyfunc": ("pyfunc", python_model, {}),
}
LIBRARY = sys.argv[1] if __name__ == "__main__" else ""


def public(flavor):
    flavor = "pytorch" if flavor == "lightning" and LIBRARY == "mlflow" else flavor
    return importlib.import_module(f"{LIBRARY}.{flavor}")


def data_of(name):
    """Return what the model takes natively; `pyfunc` is asked with it too."""
    return {"left": rows()[:, :2], "right": rows()[:, 2:]} if name == "keras-named" else rows()


def write(name, folder, signed):
    """Write a model, with an input example or not; return what it answers."""
    flavor, make, options = CASES[name]
    options, made = dict(options), make()
    if LIBRARY == "mlflow" and sys.modules["mlflow"].__version__.startswith("2."):
        options = {} if flavor in ("lightning", "pytorch") else options
    example = data_of(name)
    if signed:
        options["input_example"] = example
    elif "pt2" in name or "exported" in name:
        raise AssertionError("these are traced with an example")
    if LIBRARY == "mlflow" and signed and flavor == "keras":  # which infers none, and makes no folder for an example
        folder.mkdir()
        options["signature"] = importlib.import_module("mlflow.models").infer_signature(example, native(name, made))
    if flavor == "pyfunc":
        public(flavor).save_model(str(folder), python_model=made, pip_requirements=[], **options)
    else:
        public(flavor).save_model(made, str(folder), pip_requirements=[], **options)
    return native(name, made)


def native(name, model):
    """Ask a model as its framework's users do."""
    flavor, data = CASES[name][0], data_of(name)
    if flavor in ("pytorch", "lightning"):
        import torch

        with contextlib.suppress(NotImplementedError):  # an exported program stays as it is
            model.eval()
        with torch.no_grad():
            return model(torch.from_numpy(data)).numpy()
    if flavor == "pyfunc":
        return model.predict(None, data)
    if hasattr(model, "predict"):
        return model.predict(data, verbose=0) if flavor in ("keras", "tensorflow") else model.predict(data)
    return (model.serve if hasattr(model, "serve") else model)(data).numpy()


def load(name, folder, **options):
    flavor = public(CASES[name][0])
    if name == "keras-lambda" and LIBRARY == "mlflow":
        options = {"load_model_kwargs": {"safe_mode": False}}
    return flavor.load_model(str(folder), **options)


def use(name, folder, trust):
    """Load a model both ways and ask it: natively, and by pyfunc for every kind of data."""
    options = {"trust": trust} if LIBRARY == "fitscribe" else {}
    found = {}
    if name != "pyfunc":
        found["native"] = native(name, load(name, folder, **options))
    if name == "keras-lambda" and LIBRARY == "mlflow":
        return found  # there is no way to tell MLflow's pyfunc that a function may be loaded
    asked = {"array": data_of(name), "frame": frame(), "list": rows().tolist()}
    if name == "keras-named":
        asked = {"arrays": data_of(name)}
    model = public("pyfunc").load_model(str(folder), **options)
    for kind, data in asked.items():
        try:
            found[kind] = plain(model.predict(data))
        except Exception as error:  # noqa: BLE001 each library has errors of its own
            found[kind] = ("error", type(error).__name__, str(error)[:300])
    return found


def plain(made):
    """Return an answer as the name of its type, its values, and its index if it has one."""
    if isinstance(made, pd.DataFrame):
        return "DataFrame", made.to_numpy(), [str(one) for one in made.index]
    return type(made).__name__, np.asarray(made), None


def refused(name, folder):
    """Load a model without trust: what the error says, or None when it loads."""
    try:
        public(CASES[name][0]).load_model(str(folder))
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    return None


def attempted(function, arguments):
    """Return what a job returned, or what it raised, as text: one that fails takes no other along."""
    try:
        return function(*arguments)
    except Exception:  # noqa: BLE001 it is told by the test that wants the answer
        return "RAISED\n" + traceback.format_exc()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    importlib.import_module(LIBRARY)
    jobs = pickle.loads(Path(sys.argv[2]).read_bytes())
    answers = [attempted(globals()[function], arguments) for function, arguments in jobs]
    if LIBRARY == "mlflow":
        assert "fitscribe" not in sys.modules
    Path(sys.argv[3]).write_bytes(pickle.dumps(answers))
