"""`fitscribe models show` and `models verify`: what a model says of itself, and whether its signature fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fitscribe.cli.models.options import endpoint_option, said_here

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show_command", "verify_command"]


@click.command("show")
@click.argument("model_uri", metavar="URI")
@click.option("--json", "as_json", is_flag=True, help="Print the MLmodel file as JSON.")
@endpoint_option
def show_command(model_uri: str, as_json: bool, uri: str | None) -> None:
    """Show a model's flavors, signature, requirements and origin. Nothing of it is loaded."""
    from fitscribe import config, locating
    from fitscribe.models.format import REQUIREMENTS, read_mlmodel

    if uri is not None:
        config.configure(tracking_uri=uri)
    with locating.located(model_uri) as folder:
        content = read_mlmodel(folder)
        file = folder / REQUIREMENTS
        needed = file.read_text(encoding="utf-8", errors="replace").split("\n") if file.is_file() else []
        vouched = _vouched(folder, content)
    if as_json:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))
    else:
        _print(model_uri, content, needed, vouched)


@click.command("verify")
@click.argument("model_uri", metavar="URI")
@endpoint_option
def verify_command(model_uri: str, uri: str | None) -> None:
    """Say whether a model loads without --trust: signed by you or your team, or of a format that runs no code."""
    from fitscribe import config, locating
    from fitscribe.models import trust
    from fitscribe.models.format import read_mlmodel
    from fitscribe.models.runnable import code_of

    if uri is not None:
        config.configure(tracking_uri=uri)
    with said_here(), locating.located(model_uri) as folder:
        content = read_mlmodel(folder)
        files = code_of(folder, content)
        trust.check(folder, content, files, False)
    click.echo(
        f"{model_uri} is signed by you: {', '.join(files)}" if files else f"{model_uri}: nothing in it runs code"
    )


def _vouched(folder: Path, content: dict[str, Any]) -> str:
    from fitscribe.models import trust
    from fitscribe.models.runnable import code_of

    why = trust.unsigned_because(folder, content)
    if not why:
        return "signed by you"
    files = code_of(folder, content)
    only = f"; to trust this content alone: {trust.fingerprint(folder, content)}"
    return f"{', '.join(files)} would run code, and {why}{only}" if files else f"nothing in it runs code; {why}"


def _print(model_uri: str, content: dict[str, Any], needed: list[str], vouched: str) -> None:
    from rich.console import Console
    from rich.text import Text

    from fitscribe.cli.tables import size

    console = Console()
    console.print(Text(model_uri, style="bold"))
    told = {
        "flavors": ", ".join(_flavor(name, conf) for name, conf in content["flavors"].items()),
        "written": " ".join(filter(None, (str(content.get("utc_time_created") or ""), _writer(content)))),
        "run": content.get("run_id"),
        "model id": content.get("model_id"),
        "size": size(content["model_size_bytes"]) if content.get("model_size_bytes") else None,
        "trust": vouched,
        "needs": ", ".join(line for line in needed if line.strip()),
    }
    for name, value in told.items():
        if value:
            console.print(Text.assemble((f"{name:9}", "dim"), str(value)))
    for part in ("inputs", "outputs", "params"):
        text = (content.get("signature") or {}).get(part)
        if text:
            console.print(_columns(part, json.loads(text)))


def _flavor(name: str, conf: dict[str, Any]) -> str:
    versions = [str(value) for key, value in conf.items() if key.endswith("_version") and key != "python_version"]
    return f"{name} {versions[0]}" if versions and name != "python_function" else name


def _writer(content: dict[str, Any]) -> str:
    if content.get("fitscribe_version"):
        return f"by fitscribe {content['fitscribe_version']}"
    return f"by MLflow {content['mlflow_version']}" if content.get("mlflow_version") else ""


def _columns(title: str, specs: list[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "type", "", title=title, title_justify="left")
    for spec in specs:
        tensor = spec.get("tensor-spec")
        kind = f"tensor {tensor['dtype']} {tuple(tensor['shape'])}" if tensor else str(spec.get("type"))
        more = f"default {spec['default']!r}" if "default" in spec else "" if spec.get("required", True) else "optional"
        table.add_row(Text(str(spec.get("name", "")), style="bold"), Text(kind), Text(more, style="dim"))
    return table
