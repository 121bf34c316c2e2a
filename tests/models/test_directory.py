"""What stands around a model: requirements given and found, environments, code, and an end without remains."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from fitscribe import config
from fitscribe.errors import MisuseError
from fitscribe.models import codepaths, directory, requirements
from fitscribe.models.examples import convert_input_example_to_serving_input, input_example, with_params
from fitscribe.models.given import conda_given, given_requirements
from fitscribe.models.model import Model
from fitscribe.models.signature import ModelSignature, as_signature, infer_signature


@pytest.fixture(autouse=True)
def a_key(monkeypatch):
    monkeypatch.setenv("FITSCRIBE_MODEL_KEY", "a key for these tests alone")
    config.configure()


def double(data):
    return [2 * each for each in data]


def save(**around):
    return directory.save("pyfunc", double, "model", **around)


def lines():
    return Path("model/requirements.txt").read_text().splitlines()


def pips():
    return yaml.safe_load(Path("model/conda.yaml").read_text())["dependencies"][-1]["pip"]


def test_conda_environment_of_the_user_takes_the_place_of_ours():
    conda = {
        "name": "mine",
        "channels": ["defaults"],
        "dependencies": ["python=3.12", "cudatoolkit", {"pip": ["a==1"]}],
    }
    save(conda_env=conda)
    written = yaml.safe_load(Path("model/conda.yaml").read_text())
    assert (written["name"], written["channels"]) == ("mine", ["defaults"])
    assert written["dependencies"][:2] == ["python=3.12", "cudatoolkit"]
    assert lines()[1:] == ["a==1"]
    assert pips() == lines()
    assert conda["dependencies"][-1] == {"pip": ["a==1"]}


def test_conda_environment_from_a_file():
    Path("mine.yaml").write_text("dependencies: [python, {pip: [b>=2]}]")
    save(conda_env="mine.yaml")
    assert lines()[1:] == ["b>=2"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("none.yaml", "cannot read the conda environment"),
        ("bad.yaml", "is no YAML"),
        ({"dependencies": 3}, "is no conda"),
    ],
)
def test_conda_environment_that_is_none(given, words):
    Path("bad.yaml").write_text("a: [")
    with pytest.raises(MisuseError, match=words):
        conda_given(given)


def test_requirements_files_within_files_are_read_whole():
    Path("more").mkdir()
    Path("all.txt").write_text("a==1  # why\n\n-r more/deep.txt\n--extra-index-url https://index.test/simple\n")
    Path("more/deep.txt").write_text("b==2\n-c limits.txt\na==1\nlong==1; \\\n  python_version > '3'\n")
    Path("more/limits.txt").write_text("c<3\n")
    found = given_requirements("all.txt")
    assert found.lines == (
        "a==1",
        "b==2",
        "long==1;    python_version > '3'",
        "--extra-index-url https://index.test/simple",
    )
    assert found.constraints == ("c<3",)
    assert given_requirements(["-r more/deep.txt", "z"]).lines[0] == "b==2"
    save(pip_requirements="all.txt")
    assert lines()[-1] == "-c constraints.txt"
    assert Path("model/constraints.txt").read_text() == "c<3"


def test_requirements_file_that_names_itself():
    Path("self.txt").write_text("-r self.txt")
    with pytest.raises(MisuseError, match="names files that name each other"):
        given_requirements("self.txt")


@pytest.mark.parametrize("wrong", [3, [3], {"a": 1}.values()])
def test_requirements_that_are_no_texts(wrong):
    with pytest.raises(MisuseError, match="a list of texts or a file's path"):
        given_requirements(wrong)


def test_signature_that_mlflow_made_is_taken():
    class Theirs:
        def to_dict(self):
            return {"inputs": '[{"type": "long", "name": "a", "required": true}]', "outputs": None, "params": None}

    content = save(signature=Theirs())
    assert json.loads(content["signature"]["inputs"]) == [{"type": "long", "name": "a", "required": True}]
    assert as_signature(content["signature"]) == ModelSignature([{"type": "long", "name": "a", "required": True}])
    with pytest.raises(MisuseError, match="is no signature; make one by infer_signature"):
        as_signature(["a"])


def test_example_with_params_is_kept_as_mlflow_keeps_it():
    made = input_example(([{"a": 1}], {"top": 3}))
    assert json.loads(made.example) == {"inputs": [{"a": 1}], "params": {"top": 3}}
    assert json.loads(made.serving) == {"inputs": [{"a": 1}], "params": {"top": 3}}
    assert made.info["params"] == "true"
    assert with_params((1, 2)) == ((1, 2), None)
    assert convert_input_example_to_serving_input([1]) == '{"inputs": [1]}'
    content = directory.save("pyfunc", lambda data, params=None: data, "model", input_example=([1, 2], {"top": 3}))
    assert json.loads(content["signature"]["params"])[0]["name"] == "top"
    model = Model.load("model")
    assert model.load_input_example("model") == [1, 2]
    assert model.load_input_example_params("model") == {"top": 3}


def test_example_that_the_model_cannot_predict_costs_no_more_than_the_outputs(caplog):
    caplog.clear()
    content = directory.save("pyfunc", lambda data: 1, "model", input_example=[1.5], signature=False)
    assert "signature" not in content
    assert Path("model/input_example.json").read_text() == "[1.5]"


def test_model_that_cannot_be_written_leaves_an_empty_folder():
    import threading

    lock = threading.Lock()
    Path("a.txt").write_text("a")
    with pytest.raises(MisuseError, match="cannot be pickled"):
        directory.save("pyfunc", lambda data: lock, "model", options={"artifacts": {"a": "a.txt"}})
    assert list(Path("model").iterdir()) == []


def test_unknown_flavor():
    with pytest.raises(MisuseError, match=r"there is no flavor 'onnx'; there are .*keras, .*pyfunc"):
        directory.save("onnx", 1, "model")


def test_description_under_the_names_of_mlflow():
    save(metadata={"who": "me"}, signature=infer_signature([1], [2]))
    model = Model.load("model")
    assert Model.load("model/MLmodel").to_dict() == model.to_dict()
    assert model.metadata == {"who": "me"}
    assert model.signature == infer_signature([1], [2])
    assert model.get_input_schema() == [{"type": "long", "required": True}]
    assert (model.run_id, model.get_params_schema(), model.get_serving_input("model")) == (None, None, None)
    model.signature = None
    model.add_flavor("mine", data="x").save("copy")
    again = Model.load(Path("copy").rename("MLmodel"))
    assert again.flavors["mine"] == {"data": "x"}
    assert again.signature is None
    with pytest.raises(AttributeError, match="a Model has no 'nothing'"):
        _ = model.nothing


# what a model needs


@pytest.fixture
def installed(tmp_path, monkeypatch):
    def install(name, version, told=None):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
        if told is not None:
            (info / "direct_url.json").write_text(json.dumps(told))

    monkeypatch.syspath_prepend(tmp_path)
    yield install
    requirements._owner.cache_clear()


def test_editable_install_and_local_builds_are_told_apart_from_what_an_index_has(installed, caplog):
    installed("published", "1.0")
    installed("onacpu", "2.1.0+cpu")
    installed("ongpu", "2.1.0+cu121")
    installed("patched", "3.0+mine.2")
    installed("editable", "0.1", {"url": "file:///home/me/editable", "dir_info": {"editable": True}})
    installed("wheel", "0.2", {"url": "file:///home/me/wheel-0.2.whl", "archive_info": {}})
    vcs = {"vcs": "git", "commit_id": "c0ffee", "requested_revision": "main"}
    installed("cloned", "0.3", {"url": "https://git.test/cloned", "vcs_info": vcs})
    installed("secret", "0.4", {"url": "https://me:token@git.test/secret", "vcs_info": vcs})
    names = ["published", "onacpu", "ongpu", "patched", "editable", "wheel", "cloned", "secret"]
    assert requirements.requirements_for(names) == [
        "cloned @ git+https://git.test/cloned@c0ffee",
        "editable==0.1",
        "onacpu==2.1.0",
        "ongpu==2.1.0",
        "patched==3.0",
        "published==1.0",
        "secret==0.4",
        "wheel==0.2",
    ]
    told = [record.message for record in caplog.records]
    assert len(told) == 3
    assert "editable 0.1, which is installed from file:///home/me/editable (editable)" in told[0]
    assert "patched 3.0+mine.2, a local build; its requirements ask for 3.0" in told[1]
    assert "wheel 0.2, which is installed from file:///home/me/wheel-0.2.whl" in told[2]
    assert "token" not in caplog.text


def test_code_that_travels_needs_no_package(caplog):
    assert requirements.requirements_for(["mine.deep", "other"], without={"mine"}) == []
    assert [record.message.split()[5] for record in caplog.records] == ["other,"]
    assert codepaths.modules_of([Path("src/mine"), Path("one.py")]) == {"mine", "one"}


def test_code_paths_of_one_name_are_refused():
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "mine.py").touch()
    with pytest.raises(MisuseError, match=r"two of the same name: mine\.py"):
        codepaths.checked(["a/mine.py", "b/mine.py"])


def test_code_that_lies_outside_of_the_model_is_not_imported():
    Path("outside").mkdir()
    Path("model").mkdir()
    before = list(sys.path)
    with pytest.raises(MisuseError, match=r"names '\.\./outside'"):
        codepaths.importable(Path("model"), {"code": "../outside"})
    assert sys.path == before
