"""Options that several commands on models share; MLflow's words where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

__all__ = ["MLFLOW_HELP", "endpoint_option", "here_only", "model_option", "said_here", "trust_option"]

F = TypeVar("F", bound=Callable[..., Any])

MLFLOW_HELP = {"help_option_names": ["--help"]}  # where -h is the host

model_option = click.option(
    "-m", "--model-uri", metavar="URI", required=True, help="runs:/…, models:/NAME/3, models:/NAME@alias, or a folder."
)
trust_option = click.option(
    "--trust",
    is_flag=False,
    flag_value="true",
    metavar="[sha256:…]",
    callback=lambda ctx, option, said: True if said == "true" else said,
    help="Load a model that runs code and that you have not signed; or only if its content is this.",
)
endpoint_option = click.option("--uri", metavar="URI", help="Another tracking server or folder than that set.")


@contextmanager
def said_here() -> Iterator[None]:
    """Add to the refusal of a model what to say on the command line."""
    from fitscribe.errors import UntrustedModel

    try:
        yield
    except UntrustedModel as error:
        raise UntrustedModel(f"{error}. Here: --trust") from None


def here_only(function: F) -> F:
    """Accept what MLflow says of environments; ours is always the one that this runs in."""
    function = click.option("--no-conda", is_flag=True, expose_value=False, help="As --env-manager local.")(function)
    return click.option(
        "--env-manager", metavar="local", expose_value=False, callback=_local, help="The environment this runs in."
    )(function)


def _local(ctx: click.Context, option: click.Parameter, manager: str | None) -> None:
    if manager not in (None, "local"):
        raise click.BadParameter(
            f"{manager!r}: fitscribe works in the environment that it runs in. Make one from the requirements.txt of"
            " the model, run fitscribe there, and leave this out or say local."
        )
