"""From the modules in a model to the lines of its requirements file."""

from __future__ import annotations

import decimal
import importlib.metadata
import sys

import msgspec
import pytest
import yaml

from fitscribe.errors import MisuseError
from fitscribe.models import requirements
from fitscribe.models.given import given_requirements


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Put made-up distributions on the path: name, version, its files."""

    def install(name, version, files, top_level=None):
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        if top_level:
            (info / "top_level.txt").write_text(top_level)
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text("class Model: pass\n")

    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield install
    requirements._owner.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def version(name):
    return f"{name}=={importlib.metadata.version(name)}"


def test_model_needs_what_its_classes_come_from_and_nothing_that_is_imported_besides():
    model = [msgspec.Raw(b"1"), decimal.Decimal(1)]
    assert "yaml" in sys.modules
    assert requirements.requirements_of(model) == [version("msgspec")]
    assert requirements.requirements_of([*model, yaml.YAMLError]) == [version("msgspec"), version("PyYAML")]


def test_package_has_another_name_than_its_module_and_a_local_label(installed):
    installed("my-torch", "2.1.0+cpu", ["mytorch/__init__.py", "mytorch/nn.py"])
    assert requirements.requirements_for(["mytorch.nn", "mytorch"]) == ["my-torch==2.1.0"]


def test_distribution_that_only_bears_the_modules_name_is_not_taken(installed):
    installed("mylearn", "0.0", ["mylearn-0.0.dist-info/METADATA"])
    installed("scikit-mylearn", "1.9", ["mylearn/__init__.py"])
    assert requirements.requirements_for(["mylearn.tree"]) == ["scikit-mylearn==1.9"]


def test_package_shared_by_several_distributions(installed):
    installed("shared-a", "1.0", ["myshared/a/__init__.py"])
    installed("shared-b", "2.0", ["myshared/b.py"])
    __import__("myshared.a")
    __import__("myshared.b")
    assert requirements.requirements_for(["myshared.b", "myshared.a"]) == ["shared-a==1.0", "shared-b==2.0"]


def test_editable_install_that_lists_its_top_level_or_nothing(installed):
    installed("mine-one", "0.1", [], top_level="mineone\n")
    installed("minetwo", "0.2", ["minetwo.pth"])
    assert requirements.requirements_for(["mineone.models", "minetwo.models"]) == ["mine-one==0.1", "minetwo==0.2"]


def test_file_beside_the_script_is_told_of_once(installed, caplog):
    assert requirements.requirements_for(["my_own_file", "__main__", "decimal"]) == []
    assert requirements.requirements_for(["my_own_file"]) == []
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "a model uses the module my_own_file, which no installed package provides"
    ]


def test_mlflow_comes_first_for_those_who_serve_the_model(monkeypatch):
    monkeypatch.setattr(requirements, "_version", {"mlflow": "3.18.0"}.get)
    assert requirements.with_mlflow(["a==1"]) == ["mlflow==3.18.0", "a==1"]
    assert requirements.with_mlflow(["a==1", "mlflow-skinny>=2"]) == ["a==1", "mlflow-skinny>=2"]
    monkeypatch.setattr(requirements, "_version", {}.get)
    assert requirements.with_mlflow(["a==1", "-r more.txt"]) == ["mlflow", "a==1", "-r more.txt"]


def test_requirements_of_the_users_own(tmp_path):
    (tmp_path / "needs.txt").write_text("# mine\n\na==1\n  b>2  \n")
    assert given_requirements(tmp_path / "needs.txt").lines == ("a==1", "b>2")
    assert given_requirements(str(tmp_path / "needs.txt")).lines == ("a==1", "b>2")
    assert given_requirements(["a==1"]).lines == ("a==1",)
    with pytest.raises(MisuseError, match=r"cannot read the requirements file 'none\.txt': No such file"):
        given_requirements("none.txt")
