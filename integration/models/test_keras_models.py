"""Keras models with TensorFlow and PyTorch beneath, and modules of TensorFlow, by all roads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import fitscribe
from fitscribe import delivery
from fitscribe.errors import MisuseError, UntrustedModel

tf = pytest.importorskip("tensorflow", reason="the frameworks are installed where everything is tested")
keras = pytest.importorskip("keras")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="another backend was chosen from outside"),
]

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def net(*layers):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input([4]), keras.layers.Dense(8, "relu"), *layers, keras.layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(X, X[:, :3], verbose=0)  # Keras warns when an optimizer is loaded that was never used
    return model


def answer(model):
    return model.predict(X, verbose=0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    delivery.forget()
    monkeypatch.chdir(tmp_path)
    yield
    delivery.forget()


def test_model_of_a_run_is_loaded_by_its_uri_and_nothing_is_printed(capfd):
    """W-35: asking the model for its outputs printed progress bars."""
    model = net()
    with fitscribe.start_run():
        logged = fitscribe.keras.log_model(model, name="net", input_example=X)
    loaded = fitscribe.keras.load_model(logged.model_uri)
    np.testing.assert_allclose(answer(loaded), answer(model), rtol=1e-5)
    np.testing.assert_allclose(fitscribe.pyfunc.load_model(logged.model_uri).predict(X), answer(model), rtol=1e-5)
    assert logged.signature.outputs == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("flavor", ["keras", "tensorflow"])
def test_frame_is_answered_by_a_frame(tmp_path, flavor):
    model = net()
    getattr(fitscribe, flavor).save_model(model, tmp_path / "m")
    asked = fitscribe.pyfunc.load_model(tmp_path / "m")
    made = asked.predict(pd.DataFrame(X, index=list("uvwxyz")))
    assert list(made.index) == list("uvwxyz")
    np.testing.assert_allclose(made.to_numpy(), answer(model), rtol=1e-5)
    with pytest.raises(MisuseError, match="a DataFrame, an array, a list or a dict, not a str"):
        asked.predict("x")


def test_class_that_nobody_registered_is_named_before_keras_fails(tmp_path):
    class Scale(keras.layers.Layer):
        def call(self, x):
            return x * 2

    model = net(Scale())
    fitscribe.keras.save_model(model, tmp_path / "m")
    with pytest.raises(MisuseError, match=r"the model uses Scale.*custom_objects="):
        fitscribe.keras.load_model(tmp_path / "m")
    loaded = fitscribe.keras.load_model(tmp_path / "m", custom_objects={"Scale": Scale})
    np.testing.assert_allclose(answer(loaded), answer(model), rtol=1e-5)


def test_tensorflow_flavor_takes_custom_objects_along(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Thrice(keras.layers.Layer):
        def call(self, x):
            return x * 3

    def odd_loss(y, made):
        return keras.ops.mean((y - made) ** 4)

    model = net(Thrice())
    model.compile("adam", odd_loss)
    fitscribe.tensorflow.save_model(model, tmp_path / "m", custom_objects={"odd_loss": odd_loss})
    code = f"import fitscribe; print(type(fitscribe.tensorflow.load_model({str(tmp_path / 'm')!r}).layers[1]).__name__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "Thrice"
    content = yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())
    content.pop("fitscribe_signature")
    (tmp_path / "m" / "MLmodel").write_text(yaml.safe_dump(content))
    with pytest.raises(UntrustedModel, match=r"custom_objects\.cloudpickle"):
        fitscribe.tensorflow.load_model(tmp_path / "m")


def test_function_in_a_layer_needs_trust_and_plain_layers_none(tmp_path):
    for name, model in (("plain", net()), ("function", net(keras.layers.Lambda(lambda x: x * 2)))):
        fitscribe.keras.save_model(model, tmp_path / name)
        np.testing.assert_allclose(answer(fitscribe.keras.load_model(tmp_path / name)), answer(model), rtol=1e-5)
        content = yaml.safe_load((tmp_path / name / "MLmodel").read_text())
        content.pop("fitscribe_signature")
        (tmp_path / name / "MLmodel").write_text(yaml.safe_dump(content))
    fitscribe.keras.load_model(tmp_path / "plain")
    with pytest.raises(UntrustedModel, match=r"data/model\.keras"):
        fitscribe.keras.load_model(tmp_path / "function")
    assert answer(fitscribe.keras.load_model(tmp_path / "function", trust=True)).shape == (6, 3)


def test_exported_model_needs_to_know_its_inputs(tmp_path):
    model = net()
    with pytest.raises(MisuseError, match="needs a signature, or an input example"):
        fitscribe.keras.save_model(model, tmp_path / "m", save_exported_model=True)
    fitscribe.keras.save_model(model, tmp_path / "m", save_exported_model=True, input_example=X)
    loaded, asked = fitscribe.keras.load_model(tmp_path / "m"), fitscribe.pyfunc.load_model(tmp_path / "m")
    for made in (loaded.serve(X[:2]), asked.predict(X[:2])):
        np.testing.assert_allclose(made, answer(model)[:2], rtol=1e-5)


def test_module_that_was_never_called_can_be_called_once_it_is_loaded(tmp_path):
    class Plus(tf.Module):
        def __init__(self):
            super().__init__()
            self.one = tf.Variable(1.0)

        @tf.function
        def __call__(self, x):
            return x + self.one

    fitscribe.tensorflow.save_model(Plus(), tmp_path / "m", input_example=X[:2])
    loaded = fitscribe.tensorflow.load_model(tmp_path / "m")
    np.testing.assert_allclose(loaded(tf.constant(X)), X + 1)
    asked = fitscribe.pyfunc.load_model(tmp_path / "m")
    np.testing.assert_allclose(asked.predict(X), X + 1)
    with pytest.raises(MisuseError, match=r"a int is neither a Keras model nor a tf\.Module"):
        fitscribe.tensorflow.save_model(1, tmp_path / "n")
    with pytest.raises(MisuseError, match=r"no keras\.Model"):
        fitscribe.keras.save_model(Plus(), tmp_path / "n")


def test_model_with_several_inputs_and_outputs_is_asked_by_name(tmp_path):
    inputs = {name: keras.Input([2], name=name) for name in ("left", "right")}
    both = keras.layers.Concatenate()(list(inputs.values()))
    model = keras.Model(inputs, {"sum": keras.layers.Dense(1)(both), "all": keras.layers.Dense(4)(both)})
    data = {"left": X[:, :2], "right": X[:, 2:]}
    fitscribe.keras.save_model(model, tmp_path / "m", input_example=data)
    made = fitscribe.pyfunc.load_model(tmp_path / "m").predict(data)
    assert {name: one.shape for name, one in made.items()} == {"sum": (6, 1), "all": (6, 4)}


def test_model_larger_than_the_limit_is_refused_before_it_is_written(tmp_path):
    from fitscribe.models import keras as flavor

    with pytest.raises(MisuseError, match=r"larger than 0\.0001 MB"):
        flavor.write(net(), tmp_path, limit=100)
    assert not list(tmp_path.iterdir())


def test_model_of_one_backend_is_loaded_on_another(tmp_path):
    pytest.importorskip("torch")
    model = net()
    fitscribe.keras.save_model(model, tmp_path / "m", input_example=X)
    np.save(tmp_path / "x.npy", X)
    code = (
        "import fitscribe, keras, numpy as np; assert keras.backend.backend() == 'torch'\n"
        "model = fitscribe.pyfunc.load_model('m'); np.save('y.npy', model.predict(np.load('x.npy')))\n"
        "fitscribe.keras.save_model(model.get_raw_model(), 'again')"
    )
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=environment)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), answer(model), rtol=1e-4, atol=1e-6)
    lines = Path("again/requirements.txt").read_text().splitlines()
    assert {line.split("==")[0] for line in lines} == {"mlflow", "keras", "torch"}
    np.testing.assert_allclose(answer(fitscribe.keras.load_model("again")), answer(model), rtol=1e-4, atol=1e-6)
