"""Hugging Face transformers under autologging, heard by a recorder; collected where transformers is installed."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

import fitscribe
from fitscribe import discovery

collect_ignore_glob = [] if find_spec("transformers") and find_spec("torch") else ["test_*.py", "toys.py"]
os.environ.update(USE_TF="0", USE_FLAX="0", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1")


def pytest_configure(config: pytest.Config) -> None:
    """What transformers uses is deprecated here and there, whatever we do."""
    for words in ("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*pin_memory"):
        config.addinivalue_line("filterwarnings", words)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Let small models be trained at their own speed, however many cores others use."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def autolog(recorder):
    """Switch all autologging on, so that nothing may be told twice; at the end every method is what it was."""
    before = methods()
    fitscribe.autolog()

    def switch(**options):
        fitscribe.transformers.autolog(**options)

    yield switch
    discovery.disable()
    assert methods() == before


def methods() -> dict[str, object]:
    from transformers import Seq2SeqTrainer, Trainer

    names = ("train", "evaluate", "predict", "log", "save_model", "__init__", "__init_subclass__")
    return {f"{cls.__name__}.{name}": vars(cls).get(name) for cls in (Trainer, Seq2SeqTrainer) for name in names}
