"""`fitscribe doctor`: what a question about a problem needs to say: versions, endpoint, folder, journals."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import click

__all__ = ["command"]

PATIENCE = 3.0  # seconds


@click.command("doctor")
@click.option("--uri", metavar="URI", help="Another tracking server or folder than the one that is set.")
def command(uri: str | None) -> None:
    """Say whether everything is in place; ends with status 1 when the endpoint does not answer."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fitscribe.cli import version
    from fitscribe.config import folder

    where, reachable, words = _endpoint(uri)
    facts = {
        "fitscribe": version(),
        "Python": f"{platform.python_version()} on {platform.system()}",
        "endpoint": f"{where}\n{words}",
        "folder": f"{folder()}\n{_state(folder())}",
        "journals": _journals(folder() / "journal"),
    }
    table = Table(show_header=False, box=None)
    for name, words in facts.items():
        table.add_row(Text(name, style="bold"), Text(words))
    Console().print(table)
    if not reachable:
        raise SystemExit(1)


def _endpoint(uri: str | None) -> tuple[str, bool, str]:
    from fitscribe.client import Client
    from fitscribe.config import configure
    from fitscribe.errors import FitscribeError

    configure(read_timeout=PATIENCE)
    endpoint = Client(uri).endpoint
    if endpoint.directory is not None and not endpoint.directory.exists():
        return endpoint.clean_uri, True, "an embedded store that the first run will make"
    began = time.monotonic()
    try:
        endpoint.ask("POST", "experiments/search", {"max_results": 1})
    except FitscribeError as error:
        return endpoint.clean_uri, False, f"not usable: {error}"
    return endpoint.clean_uri, True, f"answers in {(time.monotonic() - began) * 1000:.0f} ms"


def _state(folder: Path) -> str:
    if not folder.exists():
        return "not there yet; the first run makes it"
    return "there, and may be written to" if os.access(folder, os.W_OK) else "there, but may NOT be written to"


def _journals(folder: Path) -> str:
    from fitscribe.cli.tables import size

    pending = sorted(folder.glob("*.journal")) if folder.is_dir() else []
    if not pending:
        return "nothing waits to be sent"
    return f"{len(pending)} not fully sent ({size(sum(one.stat().st_size for one in pending))})"
