"""What a loop trains on, as a dataset input of its run; no batch is drawn for it, and no item read."""

from __future__ import annotations

import json

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from fitscribe.records import DatasetUsed


def trained(data, model=None, take=lambda batch: batch[0]):
    model = model or nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batch in data:
        optimizer.zero_grad()
        model(take(batch)).square().mean().backward()
        optimizer.step()


def used(recorder):
    return [each for each in recorder.said if isinstance(each, DatasetUsed)]


class Counted(Dataset):
    def __init__(self):
        self.read = []

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.read.append(index)
        return {"image": torch.ones(4), "label": index}


def test_tensors_in_memory_are_told_with_their_digest(recorder, autolog):
    x, y = torch.randn(64, 4), torch.arange(64)
    trained(DataLoader(TensorDataset(x, y), batch_size=16))
    trained(DataLoader(TensorDataset(x + 1, y), batch_size=16))
    recorder.runs()
    first, second = used(recorder)
    assert first.digest != second.digest
    assert first.context == "train"
    assert json.loads(first.profile)["features_shape"] == [64, 4]
    assert json.loads(first.profile)["targets_shape"] == [64]


def test_other_data_are_told_by_their_kind_and_the_first_batch_that_the_loop_drew(recorder, autolog):
    data = Counted()
    trained(DataLoader(data, batch_size=4), take=lambda batch: batch["image"])
    assert data.read == list(range(12))  # each once, by the loop
    recorder.runs()
    [found] = used(recorder)
    [features, label] = json.loads(json.loads(found.schema)["mlflow_tensorspec"]["features"])
    assert (features["name"], features["tensor-spec"]) == ("image", {"dtype": "float32", "shape": [-1, 4]})
    assert label["tensor-spec"] == {"dtype": "int64", "shape": [-1]}
    assert json.loads(found.profile)["num_rows"] == 12


def test_a_stream_has_no_length_and_keeps_its_items(recorder, autolog):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([(torch.ones(4), 1.0)] * 8)

    trained(DataLoader(Stream(), batch_size=2))
    recorder.runs()
    [found] = used(recorder)
    assert json.loads(found.profile)["num_rows"] is None
    assert json.loads(json.loads(found.schema)["mlflow_tensorspec"]["targets"])[0]["tensor-spec"]["dtype"] == "float64"


def test_no_data_are_told_where_that_was_switched_off(recorder, autolog):
    autolog(log_datasets=False)
    data = TensorDataset(torch.randn(8, 4).bfloat16(), torch.ones(8))
    trained(DataLoader(data, batch_size=2), nn.Linear(4, 2).bfloat16())
    assert recorder.run()
    assert used(recorder) == []
