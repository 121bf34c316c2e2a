"""PyTorch under autologging, heard by a recorder; collected where PyTorch is installed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.integrations.torch import here
from fitscribe.testing.recorder import Recorder

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Let small models be trained at their own speed, however many cores others use."""
    import torch

    torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """TensorBoard and the compiler use what is deprecated, whatever we do."""
    for words in ("ignore::DeprecationWarning:tensorboard", "ignore::DeprecationWarning:torch"):
        config.addinivalue_line("filterwarnings", words)


@pytest.fixture
def recorder(monkeypatch) -> Iterator[Recorder]:
    with Recorder() as recorder:
        monkeypatch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
        monkeypatch.setattr(here, "_here", here.Here())  # what the test before left open is none of this one's
        yield recorder
        gc.collect()


@pytest.fixture
def autolog(recorder):
    """Switch autologging on; at the end every patched name is what it was, and no hook is left."""
    before = names()

    def switch(**options):
        fitscribe.pytorch.autolog(**options)

    switch()
    yield switch
    discovery.disable()
    assert names() == before


def names() -> dict[str, object]:
    import torch
    from torch.optim import optimizer

    clip = torch.nn.utils.clip_grad_norm_
    return {
        "backward": torch.autograd.backward,
        "Tensor.backward": torch.Tensor.backward,
        "scale": torch.amp.GradScaler.scale,
        "clip_grad_norm_": (clip, [cell.cell_contents for cell in clip.__closure__]),
        "iter": torch.utils.data.DataLoader.__iter__,
        "next": torch.utils.data.dataloader._BaseDataLoaderIter.__next__,
        "save": torch.save,
        "load": torch.load,
        "module": {name: vars(torch.nn.Module)[name] for name in ("__call__", "__setattr__", "forward")},
        "hooks": (dict(optimizer._global_optimizer_pre_hooks), dict(optimizer._global_optimizer_post_hooks)),
    }
