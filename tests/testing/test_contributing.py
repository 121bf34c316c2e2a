"""What CONTRIBUTING.md tells an author is so: its integration keeps the contract, and its words are there."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fitscribe import Integration
from fitscribe.calls import Call
from fitscribe.run import Run
from fitscribe.testing import check_contract

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CONTRACT = PAGE.partition("## The contract of an integration")[2].partition("\n## ")[0]
FRAMEWORK = """
class Model:
    def predict(self, X):
        return [0.0 for _ in X]

def train(params, rounds=3, callbacks=None):
    for step in range(rounds):
        for each in callbacks or ():
            each(step, {"loss": 1 / (step + 1)})
    return Model()
"""
USE = """
import fakeml

def use():
    return type(fakeml.train({"depth": 3})).__name__
"""


@pytest.fixture
def shown(tmp_path, monkeypatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """The integration of the page and a user's script, with the framework that they are for."""
    site = tmp_path / "site"
    (site / "fakeml-2.1.dist-info").mkdir(parents=True)
    (site / "fakeml-2.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: fakeml\nVersion: 2.1\n")
    [example] = re.findall(r"```python\n(.*?)```", CONTRACT, re.DOTALL)
    for name, source in {"fakeml": FRAMEWORK, "fakeml_shown": example, "fakeml_used": USE}.items():
        (site / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    yield importlib.import_module("fakeml_shown"), importlib.import_module("fakeml_used")
    for name in ("fakeml", "fakeml_shown", "fakeml_used"):
        sys.modules.pop(name, None)


def test_the_integration_on_the_page_keeps_the_contract(shown):
    integration, script = shown
    check_contract(integration.integration, script.use)


def test_the_words_on_the_page_are_there():
    said = set(re.findall(r"\b(call|run|integration)\.(?!py)(\w+)", CONTRACT))
    assert len(said) > 15
    there = {"call": [*dir(Call), "outer", "state", "args", "kwargs"], "run": dir(Run), "integration": dir(Integration)}
    assert not [f"{whose}.{word}" for whose, word in sorted(said) if word not in there[whose]]
    [row] = [line for line in CONTRACT.splitlines() if line.startswith("| `run.log_table`")]
    assert not [word for word in re.findall(r"`(log_\w+)`", row) if not hasattr(Run, word)]


def test_the_whole_package_that_the_page_points_to_has_a_short_integration():
    folder = ROOT / "examples" / "plugin" / "src" / "fitscribe_tinyboost"
    assert len((folder / "__init__.py").read_text(encoding="utf-8").splitlines()) < 60
