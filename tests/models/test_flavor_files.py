"""What is said of Keras's and PyTorch's files without the frameworks, and files that a user adds."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from fitscribe.errors import MisuseError
from fitscribe.models import extras, flavors, kerasfiles, lightning, torchfiles
from fitscribe.models import keras as keras_flavor
from fitscribe.models import pytorch as pytorch_flavor
from fitscribe.models import tensorflow as tensorflow_flavor


def layer(kind, module="keras.layers", registered=None, **config):
    return {"class_name": kind, "module": module, "registered_name": registered, "config": config}


def archive(file, *layers):
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as stream:
        stream.writestr("config.json", json.dumps(layer("Sequential", "keras", layers=list(layers))))
    return file


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wEA", None, None]}}
FUNCTIONS = [
    layer("Lambda", function=LAMBDA),
    layer("Lambda", function="x", function_type="lambda"),
    layer("TorchModuleWrapper", module_="x"),
    layer("Dense", activation=layer("function", "keras.utils", config="get_file")),
    layer("enable_unsafe_deserialization", "keras.config"),
    layer("Dense", kernel=[[{"deep": LAMBDA}]]),
]


@pytest.mark.parametrize("one", FUNCTIONS, ids=str)
def test_keras_file_with_a_function_in_it_runs_code(tmp_path, one):
    folder = tmp_path / "m"
    archive(folder / "data" / "model.keras", layer("Dense", units=3), one)
    for flavor in (keras_flavor, tensorflow_flavor):
        assert flavor.runs_code(folder, {"data": "data"}) == ["data/model.keras"]


def test_keras_file_of_layers_alone_runs_none(tmp_path):
    file = archive(
        tmp_path / "data" / "model.keras",
        layer("Dense", units=3),
        layer("Scale", "mine.layers", "Scale"),
        layer("Other", None, "mine>Other"),
        layer("Lambda", function={"class_name": "function", "config": "double", "module": "mine.functions"}),
    )
    assert keras_flavor.runs_code(tmp_path, {}) == []
    assert kerasfiles.custom_classes(file) == {
        "Scale": "mine.layers",
        "mine>Other": "",
        "double": "mine.functions",
    }


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"[" * 100_000], ids=["empty", "cut", "deep"])
def test_what_is_no_keras_file_counts_as_code(tmp_path, content):
    file = tmp_path / "data" / "model.keras"
    file.parent.mkdir()
    file.write_bytes(content)
    assert keras_flavor.runs_code(tmp_path, {}) == ["data/model.keras"]
    with pytest.raises(MisuseError, match="is no Keras model"):
        kerasfiles.objects(file)


def test_other_forms_of_keras_and_tensorflow_count_as_code(tmp_path):
    (tmp_path / "data" / "model").mkdir(parents=True)
    (tmp_path / "data" / "model" / "saved_model.pb").touch()
    assert keras_flavor.runs_code(tmp_path, {}) == ["data/model/saved_model.pb"]
    (tmp_path / "data" / "model.h5").touch()
    (tmp_path / "data" / "custom_objects.cloudpickle").touch()
    assert tensorflow_flavor.runs_code(tmp_path, {}) == ["data/custom_objects.cloudpickle", "data/model.h5"]
    conf = {"model_type": "tf2-module", "saved_model_dir": "tf2model"}
    assert tensorflow_flavor.runs_code(tmp_path, conf) == ["tf2model/saved_model.pb"]
    with pytest.raises(MisuseError, match="save it once more with TensorFlow 2"):
        tensorflow_flavor.runs_code(tmp_path, {"model_type": "tf1-estimator"})


def test_pytorch_files_count_as_code_but_weights(tmp_path):
    for name, runs in (("model.safetensors", False), ("model.pt2", True), ("model.pth", True)):
        place = tmp_path / name.replace(".", "-")
        place.mkdir()
        (place / name).write_bytes(b"no archive")
        assert pytorch_flavor.runs_code(tmp_path, {"model_data": place.name}) == [f"{place.name}/{name}"] * runs
    with pytest.raises(MisuseError, match="no PyTorch model in"):
        pytorch_flavor.runs_code(tmp_path, {"model_data": "nothing"})
    with zipfile.ZipFile(tmp_path / "script.pth", "w") as stream:
        stream.writestr("script/constants.pkl", b"")
    assert torchfiles.is_script(tmp_path / "script.pth")


@pytest.mark.parametrize("name", ["../model", "/etc", "..", "data/../../x"])
@pytest.mark.parametrize("flavor", [keras_flavor, tensorflow_flavor, pytorch_flavor, lightning])
def test_name_that_leads_out_of_the_folder_is_refused(tmp_path, flavor, name):
    with pytest.raises(MisuseError, match=r"the model in .* names"):
        flavor.runs_code(tmp_path / "m", {"data": name, "model_data": name, "saved_model_dir": name})


def test_files_of_the_user_keep_their_names(tmp_path):
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "more" / "deep" / "a").write_text("a")
    (tmp_path / "b.txt").write_text("bb")
    folder = tmp_path / "m"
    folder.mkdir()
    conf, names = extras.copied([tmp_path / "more", str(tmp_path / "b.txt")], folder)
    assert conf == {"extra_files": [{"path": "extra_files/more"}, {"path": "extra_files/b.txt"}]}
    assert names == ["extra_files/b.txt", "extra_files/more/deep/a"]
    assert extras.sizes(folder, folder) == {"extra_files/b.txt": 2, "extra_files/more/deep/a": 1}
    assert extras.copied(None, folder) == ({}, [])
    with pytest.raises(MisuseError, match="the same name"):
        extras.copied([tmp_path / "b.txt", tmp_path / "." / "b.txt"], folder)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        extras.copied([Path("nowhere")], folder)


def test_options_are_checked_before_anything_is_written():
    for options, words in (
        ({"serialization_format": "onnx"}, "use one of pickle, pt2, safetensors"),
        ({"serialization_format": "pt2"}, "needs input_example"),
    ):
        with pytest.raises(MisuseError, match=words):
            flavors.flavor("lightning").check(**options)
    with pytest.raises(MisuseError, match="needs a signature"):
        flavors.flavor("keras").check(save_exported_model=True)
    with pytest.raises(MisuseError, match="needs a signature"):
        flavors.flavor("keras").check(save_exported_model=True, inputs=[{"type": "double", "name": "a"}])
