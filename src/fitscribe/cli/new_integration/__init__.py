"""`fitscribe new-integration`: the skeleton of a package for one more framework, with tests that pass as they are."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("new-integration")
@click.argument("name")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to write it, instead of fitscribe-NAME in this directory."
)
def command(name: str, folder: Path | None) -> None:
    """Write a package that records the framework imported as NAME, for you to fill in; no file is overwritten."""
    from fitscribe.cli.new_integration.skeleton import written

    place = folder or Path(f"fitscribe-{name}")
    for path in written(name, place):
        click.echo(f"  {path}")
    shown = f'"{place}"' if " " in str(place) else place
    click.echo(
        f"An integration for {name}, tested with a stand-in for it. Next:\n\n"
        f'    cd {shown}\n    python -m pip install -e ".[test]"\n    python -m pytest'
    )
