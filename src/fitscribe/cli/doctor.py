"""`fitscribe doctor`: what a question about a problem needs to say: versions, endpoint, folder, journals."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fitscribe.journal.remains import Left

__all__ = ["command"]

PATIENCE = 3.0  # seconds
MOST = 20  # journals that are told of one by one


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
        "credentials": _credentials(uri),
        "folder": f"{folder()}\n{_state(folder())}",
        "journals": _journals(folder() / "journal"),
        "refused": _refused(folder() / "journal"),
        "disk": _free(folder()),
        "models": _models(),
        "integrations": _integrations(),
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


def _credentials(uri: str | None) -> str:
    """Say what kind of credentials go with each request, and where they come from; never what they are."""
    from fitscribe.client import Client
    from fitscribe.config import settings
    from fitscribe.errors import FitscribeError

    if Client(uri).endpoint.directory is not None:
        return "none needed"
    from fitscribe.transport.authorization import described

    try:
        return described(uri or settings().tracking_uri, settings())
    except FitscribeError as error:
        return f"NOT usable: {error}"


def _integrations() -> str:
    """Say what is recorded, by framework and version, and of what is installed and not recorded why."""
    from fitscribe.cli.integrations import listed

    found = list(listed())
    on = [f"{each.name} {each.found}" for each in found if each.state == "on"]
    off = [f"{each.name} is off: {each.reason}" for each in found if each.state in ("wrong version", "broken")]
    doubts = [f"{each.name}: {each.reason}" for each in found if each.state == "on" and each.reason]
    absent = [each.name for each in found if each.state == "not installed"]
    lines = [f"on when imported: {', '.join(on) or 'none'}", *off, *doubts]
    if absent:
        lines.append(f"not installed: {', '.join(absent)}")
    return "\n".join([*lines, "`fitscribe integrations` says more"])


def _state(folder: Path) -> str:
    if not folder.exists():
        return "not there yet; the first run makes it"
    return "there, and may be written to" if os.access(folder, os.W_OK) else "there, but may NOT be written to"


def _models() -> str:
    """Say whose key signs models, and where they are registered if not where runs go."""
    from fitscribe.config import canonical_uri, settings, without_credentials
    from fitscribe.errors import MisuseError
    from fitscribe.models.keys import key_file, own_key

    file = None if settings().model_key else key_file()
    elsewhere = settings().registry_uri
    registered = f"\nregistered at {without_credentials(canonical_uri(elsewhere))}" if elsewhere else ""
    if file is not None and not file.exists():
        return f"signed with {file}, which the first model makes{registered}"
    try:
        key = own_key()
    except (MisuseError, OSError) as error:
        return f"NOT signed: {error}{registered}"
    return f"signed with the key {key.name} ({file or 'FITSCRIBE_MODEL_KEY'}){registered}"


def _journals(folder: Path) -> str:
    """Say what waits, process by process; journals that had to lie in the folder for temporary files as well."""
    from fitscribe.cli.tables import size
    from fitscribe.journal.remains import journals

    found = journals(folder)
    if not found:
        return "nothing waits to be sent"
    lines = [f"{len(found)} not fully sent ({size(sum(each.size for each in found))})"]
    for each in found[:MOST]:
        elsewhere = {path.parent for path in each.paths} - {folder}
        where = f", in {elsewhere.pop()}" if elsewhere else ""
        lines.append(f"{each.stem}: {_waiting(each)}{where}")
    if len(found) > MOST:
        lines.append(f"… and {len(found) - MOST} more")
    if not all(each.at_work for each in found):
        lines.append("`fitscribe sync` sends what is left")
    return "\n".join(lines)


def _waiting(left: Left) -> str:
    state = "at work" if left.at_work else "its process is gone"
    try:
        return f"{state}, {left.pending} record(s) wait"
    except (OSError, ValueError) as error:
        return f"{state}, cannot be read: {getattr(error, 'strerror', None) or error}"


def _refused(folder: Path) -> str:
    from fitscribe.shipping.letters import letters

    count = len(letters(folder))
    return f"{count} record(s): `fitscribe sync --dead-letters` shows them" if count else "nothing"


def _free(folder: Path) -> str:
    import shutil

    from fitscribe.cli.tables import size

    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    return f"{size(shutil.disk_usage(there).free)} free" if there else "unknown"
