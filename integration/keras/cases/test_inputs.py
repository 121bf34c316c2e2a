"""Data of every kind: told, and never taken from."""

from __future__ import annotations

import json

import keras
import numpy
import pytest

import fitscribe


def told(recorder):
    return [each for each in recorder.said if type(each).__name__ == "DatasetUsed"]


def test_arrays_are_told_with_their_validation_data(recorder, autolog, model, data):
    model.fit(*data, validation_data=data, verbose=0)
    recorder.runs()
    train, valid = told(recorder)
    assert (train.context, valid.context) == ("train", "eval")
    assert json.loads(train.profile)["features_shape"] == [96, 4]
    assert train.digest == valid.digest


def test_a_frame_is_told(recorder, autolog, model, data):
    pandas = pytest.importorskip("pandas")
    model.fit(pandas.DataFrame(data[0]), data[1], verbose=0)
    recorder.runs()
    assert "mlflow_colspec" in json.loads(told(recorder)[0].schema)


def test_a_generator_gives_no_batch_for_us(recorder, autolog, make, data):
    def taken():
        given = []

        def batches():
            while True:
                given.append(1)
                yield data

        make().fit(batches(), steps_per_epoch=2, epochs=2, shuffle=False, verbose=0)
        return len(given)

    with_us = taken()
    fitscribe.keras.autolog(disable=True)
    without = [taken() for _ in range(3)]
    ahead = keras.backend.backend() == "tensorflow"  # it takes batches ahead, in a thread of its own
    assert min(without) - ahead <= with_us <= max(without) + ahead
    profile = json.loads(told(recorder)[0].profile)
    assert (profile["kind"], profile["steps_per_epoch"]) == ("builtins.generator", 2)


class Batches(keras.utils.PyDataset):
    def __init__(self, data):
        super().__init__()
        self.data, self.taken = data, []

    def __len__(self):
        return 3

    def __getitem__(self, place):
        self.taken.append(place)
        return self.data


def test_a_py_dataset_gives_no_batch_for_us(recorder, autolog, make, data):
    batches = Batches(data)
    make().fit(batches, verbose=0, shuffle=False)
    run = recorder.run()
    fitscribe.keras.autolog(disable=True)
    plain = Batches(data)
    make().fit(plain, verbose=0, shuffle=False)
    assert batches.taken == plain.taken
    assert json.loads(told(recorder)[0].profile)["steps_per_epoch"] == 3
    assert [step for step, _ in recorder.history(run, "steps_per_second")] == [0]


def test_a_data_loader_of_torch_is_told(recorder, autolog, model, data):
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(data[0]), torch.tensor(data[1]))
    model.fit(torch.utils.data.DataLoader(pairs, batch_size=24), shuffle=False, verbose=0)
    run = recorder.run()
    profile = json.loads(told(recorder)[0].profile)
    assert (profile["num_rows"], profile["batch_size"], profile["steps_per_epoch"]) == (96, 24, 4)
    assert recorder.params(run)["batch_size"] == "24"


@pytest.mark.parametrize("repeated", [False, True])
def test_a_dataset_of_tensorflow_is_told_by_its_spec(recorder, autolog, model, data, repeated):
    """An endless one too: MLflow tries to load it whole."""
    tensorflow = pytest.importorskip("tensorflow")
    dataset = tensorflow.data.Dataset.from_tensor_slices(data).batch(32)
    dataset = dataset.repeat() if repeated else dataset
    model.fit(dataset, steps_per_epoch=3, shuffle=False, verbose=0)
    run = recorder.run()
    profile = json.loads(told(recorder)[0].profile)
    assert profile["cardinality"] == ("infinite" if repeated else 3)
    schema = json.loads(json.loads(told(recorder)[0].schema)["mlflow_tensorspec"]["features"])
    assert schema[0]["tensor-spec"] == {"dtype": "float32", "shape": [-1, 4]}
    assert recorder.params(run)["batch_size"] == "32"


def test_no_data_set_is_told_where_the_user_says_so(recorder, autolog, model, data):
    autolog(log_datasets=False)
    model.fit(*data, verbose=0)
    model.evaluate(*data, verbose=0)
    recorder.runs()
    assert told(recorder) == []


def test_arrays_by_name_and_in_lists(recorder, autolog, data):
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    model = keras.Model([left, right], keras.layers.Dense(1)(keras.layers.Add()([left, right])))
    model.compile("sgd", "mse")
    model.fit([data[0], data[0]], data[1].astype("float32"), verbose=0)
    recorder.runs()
    features = json.loads(json.loads(told(recorder)[0].schema)["mlflow_tensorspec"]["features"])
    assert [each["tensor-spec"]["shape"] for each in features] == [[-1, 4], [-1, 4]]
    assert numpy.isfinite(json.loads(told(recorder)[0].profile)["num_rows"])
