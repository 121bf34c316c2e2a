"""`fitscribe models`: what the registry holds, and what a model says of itself, at an embedded store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fitscribe.cli import main
from fitscribe.client import Client

MLMODEL = """
flavors:
  python_function:
    loader_module: own_loader
    data: weights.bin
    python_version: 3.11.7
mlflow_version: 3.17.2
run_id: 0123456789abcdef
signature:
  inputs: '[{"type": "double", "name": "age"}, {"type": "long", "name": "count", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: '[{"name": "k", "type": "long", "default": 3, "shape": null}]'
utc_time_created: '2026-01-02 03:04:05'
"""


@pytest.fixture
def model(tmp_path) -> Path:
    """A model of a flavor that nobody knows, which somebody else made."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "weights.bin").write_bytes(b"123")
    (folder / "requirements.txt").write_text("numpy==2.0\nown==1.0\n")
    return folder


@pytest.fixture
def client(tmp_path, monkeypatch) -> Client:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FITSCRIBE_TRACKING_URI", str(tmp_path / "store"))
    return Client(tmp_path / "store")


def said(*words: object) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.output


def run(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(main, ["models", *map(str, words)])


def test_an_empty_registry_says_so_and_nothing_is_made(client, tmp_path):
    assert said("list") == f"no models are registered at {(tmp_path / 'store').as_uri()} yet\n"
    assert not (tmp_path / "store").exists()


def test_a_model_is_registered_and_listed(client, model):
    assert said("register", model, "churn") == "models:/churn/1\n"
    assert said("register", model, "churn", "--alias", "champion") == "models:/churn/2 and models:/churn@champion\n"
    said("register", "models:/churn@champion", "other")
    lines = said("list").splitlines()
    assert [[cell.strip() for cell in line.split("│")[1:4]] for line in lines if "│" in line] == [
        ["churn", "2", "@champion 2"],
        ["other", "1", ""],
    ]
    versions = said("list", "--versions", "churn").splitlines()
    assert [line.split("│")[1:4] for line in versions if "│" in line] == [
        [" 2       ", " ready  ", " @champion "],
        [" 1       ", " ready  ", "           "],
    ]
    assert "description" not in versions[1]
    found = json.loads(said("list", "--json", "--filter", "name = 'other'"))
    assert [each["name"] for each in found] == ["other"]
    assert "no models are registered" in said("list", "--filter", "name = 'none'")


def test_a_model_that_is_not_registered_is_said_in_one_line(client, model):
    said("register", model, "churn")
    done = run("list", "--versions", "none")
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "none" in done.output


def test_a_model_tells_about_itself_and_nothing_of_it_is_loaded(client, model):
    shown = said("show", model)
    for words in (
        "python_function",
        "2026-01-02 03:04:05 by MLflow 3.17.2",
        "0123456789abcdef",
        "weights.bin would run code, and it is not signed; to trust this content alone: sha256:",
        "numpy==2.0, own==1.0",
        "optional",
        "tensor float64 (-1,)",
        "default 3",
    ):
        assert words in shown.replace("\n", " "), shown
    assert json.loads(said("show", model, "--json"))["run_id"] == "0123456789abcdef"


def test_somebody_elses_model_is_not_yours(client, model):
    done = run("verify", model)
    assert done.exit_code == 1
    assert "would run code from weights.bin, and it is not signed" in done.output
    assert "Here: --trust" in done.output
    for command in (["predict", "-m", model], ["serve", "-m", model, "-p", "0"]):
        refused = run(*command)
        assert refused.exit_code == 1
        assert "would run code from weights.bin" in refused.output


def test_trust_may_name_one_content(client, model):
    shown = said("show", model).replace("\n", "")
    content = "sha256:" + shown.partition("sha256:")[2][:64]
    done = run("predict", "-m", model, "--trust", content)
    assert "the module 'own_loader', which cannot be imported here" in done.output  # trusted, and looked for
    (model / "weights.bin").write_bytes(b"1234")
    assert "is not loaded" in run("predict", "-m", model, "--trust", content).output


def test_the_commands_are_listed_with_what_they_do():
    listed = said("--help")
    for name in ("list", "predict", "register", "serve", "show", "verify"):
        assert f"  {name} " in listed
    assert "-h, --host" in said("serve", "--help")
