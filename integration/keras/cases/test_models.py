"""The model at the end of a fit: what is kept of it, what is said of it, and what it costs when it cannot be kept."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy
import pytest
import yaml

import fitscribe
from fitscribe import records
from fitscribe.errors import MisuseError, NotBuiltYet

BACKEND = keras.backend.backend()


@pytest.fixture
def models(autolog):
    """Switch the recording of models on, and nothing else that takes time."""

    def switch(**options):
        said = {"log_input_examples": False, "registered_model_name": None, "max_model_size": 5e8}
        said |= {"log_model_signatures": True, "save_exported_model": False, "save_model_kwargs": None}
        autolog(**{"log_models": True, **said, **options})

    switch()
    yield switch
    switch(log_models=False)


@pytest.fixture
def folder(recorder, tmp_path):
    """Return the model of a run as a folder on disk."""

    def lay(run):
        for name, content in recorder.artifacts(run).items():
            if name.startswith("model/"):
                file = tmp_path / run.run / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        return tmp_path / run.run / "model"

    return lay


def mlmodel(recorder, run=None):
    return yaml.safe_load(recorder.artifacts(run or recorder.run())["model/MLmodel"])


def sides(recorder):
    """What a signature says, as {name: (dtype, shape)} of the inputs and of the outputs; {} for none."""
    said = mlmodel(recorder).get("signature") or {}
    return [
        {one.get("name", ""): tuple(one["tensor-spec"].values()) for one in json.loads(said.get(side) or "[]")}
        for side in ("inputs", "outputs")
    ]


def fitted(model, x, y, **options):
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(x, y, verbose=0, **options)
    return model


def test_the_model_of_a_fit_answers_as_it_did(recorder, models, model, data, folder):
    model.fit(*data, verbose=0)
    run = recorder.run()
    loaded = fitscribe.keras.load_model(folder(run))
    numpy.testing.assert_allclose(loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0), rtol=1e-5)
    assert recorder.status(run) == "FINISHED"
    assert {"model/conda.yaml", "model/requirements.txt", "model_config.json"} < recorder.artifacts(run).keys()


def test_nothing_is_printed_and_nobody_is_asked_to_predict(recorder, models, make, data, capfd, monkeypatch):
    """W-35: MLflow asks for predictions, with a progress bar on the screen."""
    models(log_input_examples=True)
    model = make()
    monkeypatch.setattr(type(model), "predict", None)
    model.fit(*data, verbose=0)
    assert set(sides(recorder)[1]) == {""}
    assert capfd.readouterr().out == ""


def test_layers_tell_what_they_take(recorder, models, data):
    x, y = data
    fitted(keras.Sequential([keras.layers.Dense(2, name="first"), keras.layers.Dense(1)]), x, y)
    assert sides(recorder) == [{"": ("float32", [-1, 4])}, {"": ("float32", [-1, 1])}]


def test_dtypes_are_those_of_the_data_and_free_lengths_those_of_the_model(recorder, models, data):
    """MLflow says float32 always, and then refuses the very array that the model was trained on."""
    model = keras.Sequential([keras.Input((None, 4)), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(1)])
    fitted(model, numpy.zeros((8, 3, 4)), numpy.zeros(8))
    assert sides(recorder)[0] == {"": ("float64", [-1, -1, 4])}


@pytest.mark.parametrize("given", ["dict", "list", "names"])
def test_several_inputs_and_outputs_have_names(recorder, models, given, folder):
    parts = {"left": keras.Input((2,), name="left"), "right": keras.Input((3,), name="right", dtype="int32")}
    both = keras.layers.Concatenate()([parts["left"], keras.ops.cast(parts["right"], "float32")])
    ends = {"low": keras.layers.Dense(1, name="low")(both), "high": keras.layers.Dense(2, name="high")(both)}
    as_list = given == "list"
    model = keras.Model(*(list(each.values()) if as_list or given == "names" else each for each in (parts, ends)))
    x = {"left": numpy.zeros((8, 2), "float32"), "right": numpy.zeros((8, 3), "int32")}
    y = {"low": numpy.zeros((8, 1)), "high": numpy.zeros((8, 2))}
    model.compile("sgd", ["mse", "mse"] if as_list or given == "names" else {"low": "mse", "high": "mse"})
    models(log_input_examples=True)
    model.fit(list(x.values()) if as_list else x, list(y.values()) if as_list or given == "names" else y, verbose=0)
    taken, made = sides(recorder)
    assert taken == {"left": ("float32", [-1, 2]), "right": ("int32", [-1, 3])}
    assert made == {"low": ("float32", [-1, 1]), "high": ("float32", [-1, 2])}
    example = json.loads(recorder.artifacts(recorder.run())["model/input_example.json"])
    assert {name: len(rows) for name, rows in example.items()} == {"left": 5, "right": 5}
    answered = fitscribe.pyfunc.load_model(folder(recorder.run())).predict(x)
    shapes = [one.shape for one in (answered if isinstance(answered, list) else answered.values())]
    assert sorted(shapes) == [(8, 1), (8, 2)]


class Keeping(keras.Model):
    """A subclass whose call keeps what it saw."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(2)
        self.seen = None

    def call(self, x):
        self.seen = x
        return {"out": self.dense(x)}


def test_a_subclass_is_told_by_its_data_and_keeps_what_it_kept(recorder, models, data):
    """MLflow says nothing of subclasses; and Keras's symbolic call leaves empty tensors in them."""
    model = Keeping()
    model.compile("sgd", {"out": "mse"}, run_eagerly=BACKEND != "jax")
    kept = []
    last = keras.callbacks.LambdaCallback(on_train_end=lambda logs: kept.append(model.seen))
    model.fit(data[0], {"out": data[0][:, :2]}, verbose=0, callbacks=[last])
    assert sides(recorder) == [{"": ("float32", [-1, 4])}, {"out": ("float32", [-1, 2])}]
    assert model.seen is kept[0]


def test_a_table_is_told_by_its_columns(recorder, models, model, data, folder):
    pandas = pytest.importorskip("pandas")
    models(log_input_examples=True)
    frame = pandas.DataFrame(data[0], columns=list("abcd"))
    model.fit(frame, data[1], verbose=0)
    said = json.loads(mlmodel(recorder)["signature"]["inputs"])
    assert [(one["name"], one["type"]) for one in said] == [(name, "float") for name in "abcd"]
    assert fitscribe.pyfunc.load_model(folder(recorder.run())).predict(frame).shape == (96, 2)


def test_lazy_data_is_told_by_the_layers_and_none_of_it_is_taken(recorder, models, model, data, caplog):
    taken = []

    def batches():
        for at in range(0, 96, 32):
            taken.append(at)
            yield data[0][at : at + 32], data[1][at : at + 32]

    models(log_input_examples=True)
    model.fit(batches(), steps_per_epoch=3, shuffle=False, verbose=0)
    assert taken == [0, 32, 64]
    assert sides(recorder) == [{"": ("float32", [-1, 4])}, {"": ("float32", [-1, 2])}]
    assert "no input example: a generator cannot be looked into without taking from it" in caplog.text
    assert "model/input_example.json" not in recorder.artifacts(recorder.run())


def test_an_example_that_is_asked_for_is_written(recorder, models, model, data):
    """W-15: MLflow's `log_input_examples=True` writes none."""
    models(log_input_examples=True)
    model.fit(*data, verbose=0)
    written = json.loads(recorder.artifacts(recorder.run())["model/input_example.json"])
    numpy.testing.assert_allclose(written, data[0][:5], rtol=1e-6)
    assert mlmodel(recorder)["saved_input_example_info"]["type"] == "ndarray"


def test_tensors_of_the_backend_make_an_example_as_well(recorder, models, model, data):
    models(log_input_examples=True)
    model.fit(keras.ops.convert_to_tensor(data[0]), data[1], verbose=0)
    written = json.loads(recorder.artifacts(recorder.run())["model/input_example.json"])
    numpy.testing.assert_allclose(written, data[0][:5], rtol=1e-6)


class Locked(keras.layers.Layer):
    """A layer with an argument that nobody can write down."""

    def __init__(self, lock, **options):
        super().__init__(**options)
        self.lock = lock

    def call(self, x):
        return x


def test_a_model_that_keras_cannot_save_costs_itself_alone(recorder, models, data):
    """W-09: MLflow loses the metrics with it."""
    model = keras.Sequential([keras.Input((4,)), Locked(threading.Lock()), keras.layers.Dense(1)])
    fitted(model, *data, epochs=2)
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert len(recorder.history(run, "loss")) == 2
    assert recorder.tags(run)["fitscribe.model"].startswith("left out: Keras cannot write this Sequential: ")
    assert not [name for name in recorder.artifacts(run) if name.startswith("model/")]


class Slow(keras.layers.Layer):
    """A layer that is being written when the user presses Ctrl-C."""

    def call(self, x):
        return x

    def save_own_variables(self, store):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_while_the_model_is_written_leaves_no_half_of_it(recorder, models, data):
    with pytest.raises(KeyboardInterrupt):
        fitted(keras.Sequential([keras.Input((4,)), Slow(), keras.layers.Dense(1)]), *data, epochs=2)
    run = recorder.run()
    assert recorder.status(run) == "KILLED"
    assert recorder.tags(run)["fitscribe.model"] == "left out: KeyboardInterrupt while it was written"
    assert [step for step, _ in recorder.history(run, "loss")] == [0, 1]
    assert not [name for name in recorder.artifacts(run) if name.startswith("model/")]
    assert not [one for one in recorder.said if isinstance(one, records.ModelBegun)]
    assert not list(Path(recorder._folder.name).rglob("*.keras"))


def test_a_training_that_fails_leaves_no_model_that_waits_for_its_end(recorder, models, model, data):
    """W-23: MLflow's stays PENDING for ever."""
    with pytest.raises(ZeroDivisionError):
        model.fit(*data, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: 1 / 0)])
    assert recorder.status(recorder.run()) == "FAILED"
    assert not [one for one in recorder.said if isinstance(one, records.ModelBegun)]


def test_requirements_name_what_the_model_needs_and_not_what_is_imported(recorder, models, model, data):
    """W-30: MLflow lists whatever the process has loaded."""
    model.fit(*data, verbose=0)
    lines = recorder.artifacts(recorder.run())["model/requirements.txt"].decode().split()
    names = {line.partition("==")[0].partition("[")[0].replace("_", "-").removesuffix("-cpu") for line in lines}
    assert {"keras", BACKEND} <= names <= {"keras", "mlflow", BACKEND, "jaxlib", "numpy"}


def test_a_model_that_is_too_large_is_left_out(recorder, models, model, data):
    """What the optimizer keeps is in the file as well, and counts."""
    weights = sum(4 * int(numpy.prod(one.shape)) for one in model.variables)
    models(max_model_size=2 * weights)
    model.fit(*data, verbose=0)
    run = recorder.run()
    assert f"larger than {2 * weights / 1e6:g} MB; max_model_size=None" in recorder.tags(run)["fitscribe.model"]
    assert recorder.status(run) == "FINISHED"
    assert not [name for name in recorder.artifacts(run) if name.startswith("model/")]


@pytest.mark.swallows  # the recorder has no file of it, and says so
def test_a_full_disk_costs_the_model_alone(recorder, models, data, caplog):
    wide = keras.Sequential([keras.Input((4,)), keras.layers.Dense(100_000), keras.layers.Dense(1)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))  # writes fail from there, as on a full disk
    try:
        fitted(wide, *data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert "loss" in recorder.metrics(run)
    assert "left out" in caplog.text


def test_functions_in_layers_are_kept(recorder, models, data, folder):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(1)])
    fitted(model, *data)
    loaded = fitscribe.keras.load_model(folder(recorder.run()))  # it was signed here
    numpy.testing.assert_allclose(loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0), rtol=1e-5)


@keras.saving.register_keras_serializable("cases")
class Doubling(keras.layers.Layer):
    """A registered layer."""

    def call(self, x):
        return x * 2


class Halving(keras.layers.Layer):
    """A layer that nobody registered."""

    def call(self, x):
        return x / 2


def test_the_users_own_classes_come_back(recorder, models, data, folder):
    model = keras.Sequential([keras.Input((4,)), Doubling(), Halving(), keras.layers.Dense(1)])
    fitted(model, *data)
    kept = folder(recorder.run())
    with pytest.raises(MisuseError, match=r"Halving .*custom_objects="):
        fitscribe.keras.load_model(kept)
    loaded = fitscribe.keras.load_model(kept, custom_objects={"Halving": Halving})
    numpy.testing.assert_allclose(loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0), rtol=1e-5)


def test_a_registered_name_goes_with_the_model(recorder, models, model, data):
    models(registered_model_name="digits")
    model.fit(*data, verbose=0)
    recorder.run()
    assert [one.register_as for one in recorder.said if isinstance(one, records.ModelLogged)] == ["digits"]


def test_options_of_saving_are_obeyed_and_those_not_built_say_so(recorder, models, make, data):
    with pytest.raises(NotBuiltYet, match="model_id"):
        models(model_id="m-1")
    with pytest.raises(MisuseError, match="save_model_kwargs=3 is neither"):
        models(save_model_kwargs=3)
    models(save_model_kwargs={"include_optimizer": False, "overwrite": True})
    model = make()
    model.fit(*data, verbose=0)
    run = recorder.run()
    assert ("fitscribe.model" in recorder.tags(run)) != ("model/data/model.keras" in recorder.artifacts(run))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow writes SavedModels of its own models")
def test_a_model_is_exported_where_it_is_asked_for(recorder, models, make, data, folder, capfd):
    models(save_exported_model=True)
    model = make()
    model.fit(*data, verbose=0)
    loaded = fitscribe.keras.load_model(folder(recorder.run()), trust=True)
    numpy.testing.assert_allclose(loaded.serve(data[0]), model.predict(data[0], verbose=0), rtol=1e-5)
    assert capfd.readouterr().out == ""


QUIET = """
import sys, keras, numpy, fitscribe
fitscribe.autolog()
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
model.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)), "mse")
model.fit(numpy.zeros((8, 4)), numpy.zeros((8, 2)), verbose=0)
fitscribe.flush()
run = fitscribe.search_runs(output_format="list")[0]
found = {one.path for one in fitscribe.artifacts.list_artifacts(run_id=run.info.run_id)}
assert {"model", "model_config.json", "model_summary.txt"} <= found, found
assert "fitscribe.model" not in run.data.tags, run.data.tags
assert "tensorflow" not in sys.modules
from keras.src.utils.module_utils import tensorflow
assert tensorflow.available  # as soon as the user asks
"""


@pytest.mark.skipif(BACKEND == "tensorflow", reason="it is there from the beginning")
def test_a_training_without_tensorflow_stays_without_it(tmp_path):
    """Keras imports it, for seconds, to ask whether what it writes is one of its objects."""
    told = {"KERAS_BACKEND": BACKEND, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", QUIET]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **told}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_keras_still_keeps_what_it_knows_of_tensorflow_where_we_look():
    from keras.src.utils import module_utils

    assert "_available" in vars(module_utils.tensorflow)


def test_a_folder_of_the_spool_is_left_empty(recorder, models, model, data):
    model.fit(*data, verbose=0)
    recorder.run()
    assert not [one for one in Path(recorder._folder.name).rglob("keras-model") if any(one.iterdir())]


class Batches(keras.utils.PyDataset):
    """Counts what is asked of it."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.asked = x, y, 0

    def __len__(self):
        return 3

    def __getitem__(self, place):
        self.asked += 1
        return self.x[32 * place : 32 * place + 32], self.y[32 * place : 32 * place + 32]


def lazily(kind, x, y):
    """Return lazy data, and what counts how often somebody took from it."""
    data = Batches(x, y)
    if kind == "PyDataset":
        return data, lambda: data.asked
    if kind == "DataLoader":
        torch = pytest.importorskip("torch")
        rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        return torch.utils.data.DataLoader(rows, batch_size=32), lambda: 0
    return (data[place % 3] for place in range(100)), lambda: data.asked


@pytest.mark.parametrize("kind", ["generator", "PyDataset", "DataLoader"])
def test_a_subclass_is_told_by_the_batches_that_it_was_given(recorder, models, autolog, data, kind):
    """W-52: no type tells what they are; and none of them is asked for a batch more than without us."""

    class Words(keras.Model):
        def __init__(self):
            super().__init__()
            self.table, self.dense = keras.layers.Embedding(5, 2), keras.layers.Dense(2)

        def call(self, x):
            return self.dense(keras.ops.mean(self.table(x), axis=1))

    taken = []
    x, y = (data[0] > 0).astype("int32"), data[0][:, :2]
    for on in (False, True):
        models(log_models=on)
        given, asked = lazily(kind, x, y)
        model = Words()
        model.compile("sgd", "mse", jit_compile=False)
        endless = {"steps_per_epoch": 2} if kind == "generator" else {}
        model.fit(given, epochs=2, shuffle=False, verbose=0, **endless)
        taken.append(asked())
    assert taken[0] == taken[1]
    said = yaml.safe_load(recorder.artifacts(recorder.runs()[-1])["model/MLmodel"])["signature"]
    assert json.loads(said["inputs"]) == [{"type": "tensor", "tensor-spec": {"dtype": "int32", "shape": [-1, 4]}}]
    assert json.loads(said["outputs"])[0]["tensor-spec"]["shape"] == [-1, 2]


def test_lengths_that_differ_from_batch_to_batch_are_free(recorder, models, data):
    class Mean(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(keras.ops.mean(x, axis=1))

    model = Mean()
    model.compile("sgd", "mse", jit_compile=False)
    ones = ((numpy.ones((8, length, 3), "float32"), numpy.ones((8, 1))) for length in range(2, 30))
    model.fit(ones, steps_per_epoch=3, shuffle=False, verbose=0)
    assert sides(recorder)[0] == {"": ("float32", [-1, -1, 3])}
