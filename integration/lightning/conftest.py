"""Lightning under autologging, heard by a recorder; collected only where Lightning is installed."""

from __future__ import annotations

import importlib.util
import warnings

import pytest

import fitscribe
from fitscribe import discovery

THERE = importlib.util.find_spec("lightning") is not None
collect_ignore_glob = [] if THERE else ["test_*.py"]

if THERE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning.pytorch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lightning and torch warn of each other, of small machines and of small data, whatever we do."""
    for item in items:
        for words in ("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning:lightning.*"):
            item.add_marker(pytest.mark.filterwarnings(words), append=False)
        item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning.*"), append=False)
        item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning:torch.*"), append=False)


@pytest.fixture
def autolog(recorder):
    """Switch autologging on, without models; at the end every patched name is what it was."""
    before = names()

    def switch(**options):
        fitscribe.lightning.autolog(**options)

    switch(log_models=False)
    yield switch
    discovery.disable()
    assert names() == before


def names() -> dict[str, object]:
    trainer = lightning.pytorch.Trainer
    return {name: getattr(trainer, name) for name in ("__init__", "fit", "validate", "test", "predict")}
