"""Flavors of other packages: found by their entry points, and believed in what they say of their files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fitscribe.errors import UntrustedModel
from fitscribe.models import directory
from fitscribe.models.format import read_mlmodel, write_files
from fitscribe.models.loaded import loaded
from fitscribe.models.runnable import code_of

FLAVOR = """
from pathlib import Path
from fitscribe.models.written import Written

FLAVOR = "cirrus"

def write(model, folder, *, limit=None):
    (Path(folder) / "number.txt").write_text(str(model))
    flavors = {FLAVOR: {}, "python_function": {"loader_module": __name__, "data": "number.txt"}}
    return Written(flavors, ("number.txt",), 3, ())

def load(folder, conf):
    return float((Path(folder) / "number.txt").read_text())

class Predictor:
    def __init__(self, number):
        self.number = number
    def predict(self, rows):
        return [self.number for _ in rows]

def predictor(folder, conf, model_config=None):
    return Predictor(load(folder, conf))

def runs_code(folder, conf):
    return RUNS
RUNS = []
"""


@pytest.fixture
def cirrus(tmp_path, monkeypatch) -> Iterator[Path]:
    """A package with a flavor, and the folder of a model of it that a stranger wrote."""
    about = tmp_path / "site" / "cirrus-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cirrus\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[fitscribe.flavors]\ncirrus = cirrus_flavor\n")
    (tmp_path / "site" / "cirrus_flavor.py").write_text(FLAVOR)
    monkeypatch.syspath_prepend(tmp_path / "site")
    directory.save("cirrus", 0.5, tmp_path / "model")
    content = read_mlmodel(tmp_path / "model")
    unsigned = {key: value for key, value in content.items() if key != "fitscribe_signature"}
    write_files(tmp_path / "model", {"MLmodel": str(unsigned)})
    yield tmp_path / "model"
    sys.modules.pop("cirrus_flavor", None)


def test_a_model_whose_flavor_runs_no_code_needs_no_trust(cirrus):
    assert code_of(cirrus, read_mlmodel(cirrus)) == []
    assert directory.load(cirrus, "cirrus") == 0.5
    assert loaded(cirrus).predict([[1.0], [2.0]]) == [0.5, 0.5]


def test_a_model_whose_flavor_runs_code_needs_trust(cirrus):
    sys.modules["cirrus_flavor"].RUNS.append("number.txt")
    assert code_of(cirrus, read_mlmodel(cirrus)) == ["number.txt"]
    with pytest.raises(UntrustedModel, match=r"number\.txt"):
        loaded(cirrus)
    assert loaded(cirrus, trust=True).predict([[1.0]]) == [0.5]


def test_a_module_that_is_no_flavor_is_not_believed(cirrus):
    content = read_mlmodel(cirrus)
    content["flavors"]["python_function"]["loader_module"] = "cirrus_flavor.inner"
    write_files(cirrus, {"MLmodel": str(content)})
    with pytest.raises(UntrustedModel):
        loaded(cirrus)
