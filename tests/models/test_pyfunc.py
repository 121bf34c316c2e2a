"""Python models: objects, functions and scripts become directories, and answer again; without any framework."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

import fitscribe
from fitscribe import config
from fitscribe.errors import MisuseError, NotFoundError, SignatureMismatch, UntrustedModel
from fitscribe.models.format import read_mlmodel
from fitscribe.models.signature import ModelSignature


@pytest.fixture(autouse=True)
def a_key(monkeypatch):
    monkeypatch.setenv("FITSCRIBE_MODEL_KEY", "a key for these tests alone")
    config.configure()
    before = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = before[1]
    for name in set(sys.modules) - before[0]:
        if "/code/" in (getattr(sys.modules[name], "__file__", None) or "").replace("\\", "/"):
            del sys.modules[name]


class Adder(fitscribe.pyfunc.PythonModel):
    """Adds the number in its artifact, and what its configuration says."""

    number = 0

    def load_context(self, context):
        self.number = int(Path(context.artifacts["number"]).read_text())
        self.more = (context.model_config or {}).get("more", 0)

    def predict(self, context, model_input, params=None):
        return [each + self.number + self.more + (params or {}).get("extra", 0) for each in model_input]


class Plain:
    """An object with `predict` and nothing else."""

    def predict(self, data):
        return [each * 2 for each in data]


def saved(path="model", **how):
    fitscribe.pyfunc.save_model(path, **how)
    return fitscribe.pyfunc.load_model(path)


def test_model_with_an_artifact_and_a_configuration_answers_as_before():
    Path("seven.txt").write_text("7")
    Adder.__module__, kept = "__main__", Adder.__module__  # as in a user's script: the class goes into the pickle
    try:
        model = saved(python_model=Adder(), artifacts={"number": "seven.txt"}, model_config={"more": 10})
    finally:
        Adder.__module__ = kept
    Path("seven.txt").write_text("8")
    assert model.predict([1, 2]) == [18, 19]
    assert fitscribe.pyfunc.load_model("model", model_config={"more": 20}).predict([1]) == [28]
    assert model.model_config == {"more": 10}
    assert model.metadata.flavors["python_function"]["artifacts"] == {
        "number": {"path": "artifacts/seven.txt", "uri": "seven.txt"}
    }
    assert Path("model/requirements.txt").read_text().splitlines()[1].startswith("cloudpickle==")
    assert "fitscribe" not in Path("model/requirements.txt").read_text()


def test_function_class_and_plain_object_are_models_too():
    assert saved("function", python_model=lambda data: [each + 1 for each in data]).predict([1]) == [2]
    assert saved("class", python_model=Plain).predict([2]) == [4]
    model = saved("object", python_model=Plain())
    assert model.predict([3]) == [6]
    assert isinstance(model.unwrap_python_model(), Plain)


def test_function_with_params_gets_those_of_the_signature():
    def scale(data, params=None):
        return [each * params["by"] for each in data]

    signature = fitscribe.models.infer_signature(params={"by": 2})
    model = saved(python_model=scale, signature=signature)
    assert model.predict([1]) == [2]
    assert model.predict([1], params={"by": 5}) == [5]
    with pytest.raises(SignatureMismatch, match="the param 'by' is 'five'"):
        model.predict([1], params={"by": "five"})


def test_param_that_the_signature_does_not_know_is_left_out_and_told_of(caplog):
    signature = fitscribe.models.infer_signature(params={"by": 2})
    model = saved(python_model=lambda data, params=None: sorted(params), signature=signature)
    assert model.predict([1], {"By": 3}) == ["by"]
    assert "the params 'By' are not in the model's signature" in caplog.text


def test_two_artifacts_of_one_file_name_both_come_along():
    for name in ("one", "two"):
        Path(name).mkdir()
        Path(name, "words.txt").write_text(name)

    class Words(fitscribe.pyfunc.PythonModel):
        def predict(self, context, model_input):
            return [Path(context.artifacts[name]).read_text() for name in model_input]

    model = saved(python_model=Words(), artifacts={"a": "one/words.txt", "b": "two/words.txt"})
    assert model.predict(["a", "b"]) == ["one", "two"]


def test_folder_as_an_artifact():
    Path("data/deep").mkdir(parents=True)
    Path("data/deep/x.txt").write_text("x")

    class Reads(fitscribe.pyfunc.PythonModel):
        def predict(self, context, model_input):
            return Path(context.artifacts["data"], "deep", "x.txt").read_text()

    assert saved(python_model=Reads(), artifacts={"data": "data"}).predict(None) == "x"


SCRIPT = """
import fitscribe.models

config = fitscribe.models.ModelConfig(development_config={"by": 2})

class Scaling:
    def predict(self, data):
        return [each * config.get("by") for each in data]

fitscribe.models.set_model(Scaling())
"""


def test_model_from_code_is_its_script():
    Path("scaling.py").write_text(SCRIPT)
    model = saved(python_model="scaling.py", model_config={"by": 3})
    assert model.predict([1]) == [3]
    assert Path("model/scaling.py").read_text() == SCRIPT
    assert not Path("model/python_model.pkl").exists()
    assert saved("plainly", python_model=Path("scaling.py")).predict([1]) == [2]
    assert read_mlmodel(Path("model"))["flavors"]["python_function"]["model_code_path"] == "scaling.py"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("x = 1", "the script model.py names no model; let it call fitscribe.models.set_model"),
        ("1 / 0", "the model's script model.py fails: ZeroDivisionError: division by zero"),
        ("def", "is no Python"),
        ("import fitscribe.models; fitscribe.models.set_model(3)", "set_model was given 3; the model is an object"),
        ("import fitscribe.models as m; m.set_model(print); m.ModelConfig()", "there is no model configuration"),
    ],
)
def test_script_that_makes_no_model_says_why(script, words):
    Path("model.py").write_text(script)
    with pytest.raises(MisuseError, match=words):
        fitscribe.pyfunc.save_model("model", python_model="model.py")
    assert list(Path("model").iterdir()) == []


def test_code_of_the_users_own_travels_with_the_model(tmp_path, monkeypatch, caplog):
    Path("mine").mkdir()
    Path("mine/__init__.py").write_text("from mine.deep import twice")
    Path("mine/deep.py").write_text("def twice(data): return [2 * each for each in data]")
    Path("mine/__pycache__").mkdir()
    Path("mine/__pycache__/deep.pyc").write_text("old")
    monkeypatch.syspath_prepend(Path.cwd())
    import mine

    fitscribe.pyfunc.save_model("model", python_model=mine.twice, code_paths=["mine"])
    assert not caplog.records, "what travels with the model is no missing package"
    assert sorted(each.name for each in Path("model/code/mine").iterdir()) == ["__init__.py", "deep.py"]
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]
    sys.path.remove(str(Path.cwd()))
    Path("mine").rename("gone")
    assert fitscribe.pyfunc.load_model("model").predict([2]) == [4]
    assert read_mlmodel(Path("model"))["flavors"]["python_function"]["code"] == "code"


def test_two_models_with_code_of_one_name_each_run_their_own(monkeypatch):
    for version in ("one", "two"):
        Path(version).mkdir()
        Path(version, "versioned.py").write_text(f"def answer(data): return {version!r}")
        monkeypatch.syspath_prepend(Path(version).resolve())
        sys.modules.pop("versioned", None)
        import versioned

        fitscribe.pyfunc.save_model(
            f"model-{version}", python_model=versioned.answer, code_paths=[f"{version}/versioned.py"]
        )
        sys.path.remove(str(Path(version).resolve()))
    sys.modules.pop("versioned")
    assert [fitscribe.pyfunc.load_model(f"model-{each}").predict(0) for each in ("one", "two", "one")] == [
        "one",
        "two",
        "one",
    ]


def test_loader_module_with_data_of_its_own():
    Path("reading.py").write_text(
        textwrap.dedent("""
        from pathlib import Path

        class Model:
            def __init__(self, words): self.words = words
            def predict(self, data): return self.words

        def _load_pyfunc(path): return Model(Path(path).read_text())
        """)
    )
    Path("words.txt").write_text("hello")
    model = saved(loader_module="reading", data_path="words.txt", code_paths=["reading.py"])
    assert model.predict(None) == "hello"
    assert model.loader_module == "reading"
    with pytest.raises(MisuseError, match="no python model"):
        model.unwrap_python_model()


def test_hint_of_a_list_of_texts_is_the_signature():
    def loud(rows: list[str]) -> list[str]:
        return [each.upper() for each in rows]

    fitscribe.pyfunc.save_model("model", python_model=loud)
    found = fitscribe.models.get_model_info("model").signature
    assert found == ModelSignature([{"type": "string", "required": True}])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "give either python_model, or loader_module"),
        ({"python_model": 3}, "python_model is 3; give an object with predict"),
        ({"python_model": "none.py"}, "there is no such script"),
        ({"python_model": Plain(), "artifacts": {"a": "none.txt"}}, "there is nothing at"),
        ({"python_model": Plain(), "code_paths": ["none"]}, "there is no such file or folder"),
        ({"python_model": Plain(), "code_paths": "none"}, r"give a list of paths: \['none'\]"),
        ({"python_model": Plain(), "signature": 3}, "signature=3 is no signature"),
        ({"python_model": Plain(), "conda_env": 3}, "is no conda environment"),
        ({"python_model": Plain(), "conda_env": {}, "pip_requirements": []}, "give conda_env or pip_requirements"),
        ({"python_model": Plain(), "model_config": "none.yaml"}, "there is no model configuration 'none.yaml'"),
    ],
)
def test_mistake_is_told_and_leaves_nothing(how, words):
    with pytest.raises((MisuseError, NotFoundError), match=words):
        fitscribe.pyfunc.save_model("model", **how)
    assert not Path("model").exists() or list(Path("model").iterdir()) == []


def test_folder_that_answers_nothing_says_what_it_has(tmp_path):
    Path("model").mkdir()
    Path("model/MLmodel").write_text("flavors: {sklearn: {}}")
    with pytest.raises(MisuseError, match="has no python_function and answers nothing; it has: sklearn"):
        fitscribe.pyfunc.load_model("model", trust=True)
    Path("model/MLmodel").write_text("flavors: {python_function: {loader_module: no_such_module}}")
    with pytest.raises(MisuseError, match="loaded by the module 'no_such_module', which cannot be imported here"):
        fitscribe.pyfunc.load_model("model", trust=True)
    with pytest.raises(UntrustedModel):
        fitscribe.pyfunc.load_model("model")


def test_model_of_another_python_is_told_of(caplog):
    fitscribe.pyfunc.save_model("model", python_model=Plain())
    file = Path("model/MLmodel")
    import platform

    file.write_text(file.read_text().replace(f"python_version: {platform.python_version()}", "python_version: 3.1.0"))
    fitscribe.pyfunc.load_model("model", trust=True)
    assert "the model was written by Python 3.1.0" in caplog.text


def test_streaming_model_streams():
    class Stream(fitscribe.pyfunc.PythonModel):
        def predict(self, context, model_input):
            return list(model_input)

        def predict_stream(self, context, model_input):
            yield from model_input

    model = saved(python_model=Stream())
    assert model.metadata.flavors["python_function"]["streamable"] is True
    assert list(model.predict_stream([1, 2])) == [1, 2]
    assert saved("plain", python_model=Plain()).metadata.flavors["python_function"]["streamable"] is False


# logged to a run


def test_logged_model_is_found_by_its_uri_with_all_its_files():
    Path("seven.txt").write_text("7")
    with fitscribe.start_run():
        logged = fitscribe.pyfunc.log_model(
            name="mine", python_model=Adder(), artifacts={"number": "seven.txt"}, metadata={"who": "me"}
        )
    assert logged.metadata == {"who": "me"}
    assert logged.flavors["python_function"]["loader_module"] == "mlflow.pyfunc.model"
    assert fitscribe.pyfunc.load_model(logged.model_uri).predict([1]) == [8]
    info = fitscribe.models.get_model_info(logged.model_uri)
    assert info.run_id in ("", None, logged.run_id)
    assert info.model_uuid == logged.model_uuid
    there = {each.path for each in fitscribe.list_artifacts(logged.model_uri)}
    assert {"mine/artifacts", "mine/MLmodel", "mine/python_model.pkl"} <= there
    file = fitscribe.pyfunc.get_model_dependencies(logged.model_uri)
    assert Path(file).name == "requirements.txt"


def test_artifact_may_be_one_of_another_run():
    with fitscribe.start_run() as first:
        fitscribe.log_text("41", "number.txt")
    with fitscribe.start_run():
        uri = f"runs:/{first.info.run_id}/number.txt"
        logged = fitscribe.pyfunc.log_model(name="m", python_model=Adder(), artifacts={"number": uri})
    assert fitscribe.pyfunc.load_model(logged.model_uri).predict([1]) == [42]


def test_model_changed_after_it_was_logged_is_recorded_as_it_was():
    model = Plain()
    model.data = [1]
    model.predict = lambda rows, kept=model.data: kept
    with fitscribe.start_run():
        logged = fitscribe.pyfunc.log_model(name="m", python_model=model)
        model.data.append(2)
    assert fitscribe.pyfunc.load_model(logged.model_uri).predict(0) == [1]


def test_signature_is_set_afterwards():
    fitscribe.pyfunc.save_model("model", python_model=Plain())
    with fitscribe.start_run():
        logged = fitscribe.pyfunc.log_model(name="m", python_model=Plain())
    signature = fitscribe.models.infer_signature([1], [2])
    for uri in ("model", logged.model_uri):
        fitscribe.models.set_signature(uri, signature)
        assert fitscribe.models.get_model_info(uri).signature == signature
    assert fitscribe.pyfunc.load_model("model").metadata.signature == signature
    with pytest.raises(MisuseError, match="is a version, and versions never change"):
        fitscribe.models.set_signature("models:/mine/1", signature)


def test_uri_that_leads_nowhere_says_so():
    for uri, words in (
        ("nowhere", "there is nothing at 'nowhere'"),
        ("runs:/", "names no run"),
        ("s3:bucket", "is no model URI"),
    ):
        with pytest.raises((MisuseError, NotFoundError), match=words):
            fitscribe.pyfunc.load_model(uri)
