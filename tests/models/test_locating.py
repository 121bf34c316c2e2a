"""Where a model is: every kind of URI leads to the same files."""

from __future__ import annotations

import pytest

import fitscribe
from fitscribe import config
from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.locating import locate


@pytest.fixture(autouse=True)
def a_key(monkeypatch):
    monkeypatch.setenv("FITSCRIBE_MODEL_KEY", "a key for these tests alone")
    config.configure()


def double(data):
    return [2 * each for each in data]


def logged(**how):
    with fitscribe.start_run():
        return fitscribe.pyfunc.log_model(name="mine", python_model=lambda data: double(data), **how)  # noqa: PLW0108


def test_version_stage_alias_and_model_id_all_lead_to_the_model():
    found = logged(registered_model_name="doubling")
    client = fitscribe.Client()
    assert found.registered_model_version == 1
    client.set_registered_model_alias("doubling", "best", 1)
    client.transition_model_version_stage("doubling", 1, "Production")
    uris = [
        found.model_uri,
        "models:/doubling/1",
        "models:/doubling/latest",
        "models:/doubling/Production",
        "models:/doubling@best",
        f"models:/{found.model_id}",
    ]
    for uri in uris:
        assert fitscribe.pyfunc.load_model(uri).predict([1, 2]) == [2, 4], uri
        assert fitscribe.models.get_model_info(uri).flavors["python_function"]
    with pytest.raises(NotFoundError):
        fitscribe.pyfunc.load_model("models:/doubling/2")
    with pytest.raises(NotFoundError):
        fitscribe.pyfunc.load_model("models:/doubling@worst")


def test_folder_as_a_path_and_as_a_file_uri(tmp_path):
    fitscribe.pyfunc.save_model(tmp_path / "a model", python_model=lambda data: double(data))  # noqa: PLW0108
    for uri in (tmp_path / "a model", str(tmp_path / "a model"), (tmp_path / "a model").as_uri(), "a model"):
        assert fitscribe.pyfunc.load_model(uri).predict([1]) == [2]
    fitscribe.pyfunc.load_model("a model", dst_path=tmp_path / "copies")
    assert (tmp_path / "copies" / "a model" / "MLmodel").is_file()


@pytest.mark.parametrize("uri", ["runs:/", "s3:bucket", "models:/", "models:/name/1/2", "gibberish:"])
def test_uri_that_is_none_is_refused(uri):
    with pytest.raises((MisuseError, NotFoundError)):
        locate(uri)


def test_relative_path_that_looks_like_nothing():
    with pytest.raises(NotFoundError, match="there is nothing at 'mymodel'"):
        locate("mymodel")
