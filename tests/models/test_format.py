"""The files of a model directory, without any framework."""

from __future__ import annotations

import json
import platform

import pytest
import yaml

from fitscribe import __version__
from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.models import format as model_format

CONTENT = {"flavors": {"sklearn": {"pickled_model": "model.pkl"}}, "metadata": {"who": "Zoë"}, "model_id": None}


def test_mlmodel_is_read_as_it_was_written(tmp_path):
    model_format.write_files(tmp_path, {"MLmodel": model_format.mlmodel_text(CONTENT)})
    assert model_format.read_mlmodel(tmp_path) == CONTENT
    assert b"\r" not in (tmp_path / "MLmodel").read_bytes()


def test_mlmodel_written_as_json_is_read_too(tmp_path):
    (tmp_path / "MLmodel").write_text(json.dumps(CONTENT), encoding="utf-8")
    assert model_format.read_mlmodel(tmp_path) == CONTENT


def test_new_mlmodel_has_the_fields_that_loaders_read():
    content = model_format.new_mlmodel({"sklearn": {}}, {"inputs": "[]", "outputs": None, "params": None}, 12)
    assert len(content.pop("model_uuid")) == 32
    assert len(content.pop("utc_time_created")) in (19, 26)
    assert content == {
        "fitscribe_version": __version__,
        "flavors": {"sklearn": {}},
        "is_signature_from_type_hint": False,
        "model_id": None,
        "model_size_bytes": 12,
        "prompts": None,
        "signature": {"inputs": "[]", "outputs": None, "params": None},
        "type_hint_from_example": False,
    }


def test_environment_names_this_python_and_the_requirements():
    files = model_format.environment_files(["mlflow", "a==1"])
    assert files["requirements.txt"] == "mlflow\na==1"
    conda = yaml.safe_load(files["conda.yaml"])
    pip = conda["dependencies"].pop(1)
    assert pip.partition("<=")[0] == "pip"
    assert conda == {
        "channels": ["conda-forge"],
        "dependencies": [f"python={platform.python_version()}", {"pip": ["mlflow", "a==1"]}],
        "name": "mlflow-env",
    }
    virtualenv = yaml.safe_load(files["python_env.yaml"])
    build = virtualenv.pop("build_dependencies")
    assert [each.partition("==")[0] for each in build] == ["pip", "setuptools", "wheel"]
    assert virtualenv == {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}


def test_metadata_that_is_no_json_is_refused():
    with pytest.raises(MisuseError, match=r"metadata cannot be written as JSON: .*object"):
        model_format.mlmodel_text({"metadata": {"a": object()}})


def test_folder_without_a_model(tmp_path):
    with pytest.raises(NotFoundError, match=r"no model in .*: it has no file MLmodel"):
        model_format.read_mlmodel(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "is no YAML"), ("flavors: 3", "names no flavors"), ("- 1", "names no flavors"), ("", "names no flavors")],
)
def test_mlmodel_that_holds_no_model(tmp_path, text, words):
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(MisuseError, match=words):
        model_format.read_mlmodel(tmp_path)


def test_mlmodel_runs_no_code(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: !!python/object/apply:os.mkdir ['made']")
    with pytest.raises(MisuseError, match=r"python/object/apply:os\.mkdir', as no model's does"):
        model_format.read_mlmodel(tmp_path)
    assert not (tmp_path / "made").exists()


def test_model_is_saved_to_a_new_or_an_empty_folder_only(tmp_path):
    assert model_format.fresh_folder(tmp_path / "a" / "b").is_dir()
    assert model_format.fresh_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    with pytest.raises(MisuseError, match="there is something already"):
        model_format.fresh_folder(tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(MisuseError, match="there is something already"):
        model_format.fresh_folder(tmp_path / "file")


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "missing", "", None, 3, ".", "link"])
def test_mlmodel_that_names_a_file_elsewhere(tmp_path, name):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_text("not for you")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(MisuseError, match="no such file is in there"):
        model_format.file_inside(folder, name)


def test_mlmodel_that_names_a_file_in_a_subfolder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "model.pkl").touch()
    assert model_format.file_inside(tmp_path, "data/model.pkl") == tmp_path / "data" / "model.pkl"


def test_metadata_may_hold_numbers_of_other_kinds_as_json_knows_them(tmp_path):
    class Odd(float):  # as numpy.float64 is
        pass

    text = model_format.mlmodel_text({"flavors": {}, "metadata": {"loss": Odd(0.5)}})
    model_format.write_files(tmp_path, {"MLmodel": text})
    assert model_format.read_mlmodel(tmp_path)["metadata"] == {"loss": 0.5}
