"""PyTorch: one run per hand-written training loop, and what a SummaryWriter is given.

A loop is known by its parts. `torch.autograd.backward` tells the loss, the optimizers' own global hooks tell the steps,
`DataLoader.__iter__` the epochs. A run begins with the second `backward`, once an optimizer has stepped in between:
what calls `backward` for other ends is no training. No module gets a hook, and nothing is kept on the user's objects.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fitscribe import Integration
from fitscribe.integrations.torch.here import wanted

__all__ = ["OPTIONS", "integration"]

OPTIONS = {
    "log_every_n_step": None,
    "log_gradient_norm": False,
    "log_models": True,
    "log_datasets": True,
}


class Loops(Integration):
    """The integration, and the one word that it has beside its options."""

    def watch(self, model: Any, optimizer: Any, run_name: str, log_models: bool) -> Any:
        """Begin a training of modules and optimizers that the user named. `MisuseError`: they are none."""
        from fitscribe.integrations.torch import watching

        return watching.watch(model, optimizer, run_name, log_models)


integration = Loops("torch", requires="torch>=2.6", tested="<2.16", options=OPTIONS)


@integration.check("log_every_n_step")
def _every_n_step(value: Any) -> str:
    fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
    return "" if fits else "is neither a number of steps from 1 nor None"


@integration.around("torch.autograd:backward", when=wanted)
def _backward(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import backward

    return backward.followed(call)


@integration.around("torch.amp.grad_scaler:GradScaler.scale", when=wanted)
def _scale(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import backward

    return backward.scaled(call)


@integration.around("torch.nn.utils.clip_grad:clip_grad_norm_>func", when=wanted)
def _clip_grad_norm(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import backward

    return backward.clipped(call)


@integration.around("torch.utils.data.dataloader:DataLoader.__iter__")
def _iter(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import epochs

    return epochs.begun(call)


@integration.around("torch._dynamo:optimize")
def _optimize(call: Any) -> Generator[None, Any, None]:
    """Be ready before anything is compiled: what the compiler looks at is not to contain us."""
    from fitscribe.integrations.torch import compiling, steps

    steps.watch(call.integration)
    compiling.unseen(call.integration)
    yield


def _add_summary(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import boards

    return boards.added(call)


def _add_scalars(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import boards

    return boards.scalars(call)


def _add_hparams(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import boards

    return boards.hparams(call)


def _close(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.torch import boards

    return boards.closed(call)


for _package in ("torch.utils.tensorboard", "tensorboardX"):  # the second one needs no TensorBoard
    integration.around(f"{_package}.writer:FileWriter.add_summary")(_add_summary)
    integration.around(f"{_package}.writer:FileWriter.close")(_close)
    integration.around(f"{_package}.writer:SummaryWriter.add_scalars")(_add_scalars)
    integration.around(f"{_package}.writer:SummaryWriter.add_hparams")(_add_hparams)
