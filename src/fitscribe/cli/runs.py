"""`fitscribe runs`: the runs of an endpoint as a table, and one run with all that it recorded."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from fitscribe.client import Client
    from fitscribe.entities import Run

__all__ = ["command"]

TOP_LEVEL = "tags.mlflow.parentRunId IS NULL"
CHILDREN = "tags.mlflow.parentRunId = '{}'"
WHOLE_ID = 32
PAGE = 1000
SHOWN = 10  # nested runs under a run


@click.group("runs", invoke_without_command=True)
@click.option("--experiment", metavar="NAME", help="Only runs of this experiment.")
@click.option("--filter", "condition", metavar="F", help="Such as \"metrics.acc > 0.9 AND params.depth = '3'\".")
@click.option("--order-by", metavar="O", multiple=True, help='Such as "metrics.acc DESC"; may be given again.')
@click.option("--children", metavar="RUN_ID", help="The runs nested in this one, such as a search's candidates.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many runs at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--uri", metavar="URI", help="Another tracking server or folder than the one that is set.")
@click.pass_context
def command(
    ctx: click.Context,
    experiment: str | None,
    condition: str | None,
    order_by: tuple[str, ...],
    children: str | None,
    limit: int,
    as_json: bool,
    uri: str | None,
) -> None:
    """List runs, newest first. Nested runs are left out unless asked for by --children or --filter."""
    ctx.obj = uri
    if ctx.invoked_subcommand:
        return
    client = _client(uri)
    runs = _found(client, experiment, condition, order_by, children, limit)
    if as_json:
        click.echo(json.dumps([_readable(run.to_dictionary()) for run in runs], indent=2, ensure_ascii=False))
    elif runs:
        from fitscribe.cli.tables import runs_table

        _console().print(runs_table(runs, width=_console().width))
    else:
        click.echo(f"no runs at {client.endpoint.clean_uri}" + (" that fit" if condition or experiment else " yet"))


@command.command("show")
@click.argument("run_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--uri", metavar="URI", help="Another tracking server or folder than the one that is set.")
@click.pass_obj
def show(outer_uri: str | None, run_id: str, as_json: bool, uri: str | None) -> None:
    """Show one run: params, metrics, tags and artifacts. The first characters of its id are enough."""
    client = _client(uri or outer_uri)
    run = client.get_run(_whole_id(client, run_id))
    if as_json:
        click.echo(json.dumps(_readable(run.to_dictionary()), indent=2, ensure_ascii=False))
    else:
        _print(client, run)


def _print(client: Client, run: Run) -> None:
    from rich.text import Text

    from fitscribe.cli.tables import artifact_tree, duration, pairs_table, runs_table
    from fitscribe.errors import FitscribeError

    console, info = _console(), run.info
    about = f"{info.status.lower()} after" if info.end_time else info.status.lower()
    lines = (info.run_id, f"experiment {info.experiment_id}", f"{about} {duration(info.start_time, info.end_time)}")
    console.print(Text(info.run_name or info.run_id, style="bold"), *map(Text, lines), sep="\n")
    for title, values in (("params", run.data.params), ("metrics", run.data.metrics), ("tags", run.data.tags)):
        if values:
            console.print(pairs_table(title, values))
    nested = _found(client, None, CHILDREN.format(info.run_id), (), None, PAGE, [info.experiment_id])
    if nested:
        title = f"nested runs: {len(nested)}" + (f", the newest {SHOWN}" if len(nested) > SHOWN else "")
        console.print(runs_table(nested[:SHOWN], width=console.width, title=title))
    try:
        console.print(artifact_tree(lambda path: client.list_artifacts(info.run_id, path)))
    except FitscribeError as error:  # the rest of the run is worth showing all the same
        console.print(Text(f"artifacts: {error}"))


def _found(
    client: Client,
    experiment: str | None,
    condition: str | None,
    order_by: tuple[str, ...],
    children: str | None,
    limit: int,
    experiment_ids: list[str] | None = None,
) -> list[Run]:
    from fitscribe.errors import FilterError
    from fitscribe.reading.reader import every_page

    if _nothing_there(client):
        return []
    ids = experiment_ids or _experiment_ids(client, experiment)
    if children:
        nested = CHILDREN.format(_whole_id(client, children))
        condition = f"{nested} AND {condition}" if condition else nested

    def search(words: str) -> list[Run]:
        return every_page(lambda n, token: client.search_runs(ids, words, 1, n, order_by, token), PAGE, limit)

    if condition:
        return search(condition)
    try:
        return search(TOP_LEVEL)
    except FilterError:  # an older server knows no IS NULL; if the ordering is wrong, this raises again
        return [run for run in search("") if "mlflow.parentRunId" not in run.data.tags]


def _experiment_ids(client: Client, name: str | None) -> list[str]:
    from fitscribe.errors import NotFoundError

    if name is None:
        return [one.experiment_id for one in client.search_experiments()]
    found = client.get_experiment_by_name(name)
    if found is None:
        raise NotFoundError(f"there is no experiment {name!r} at {client.endpoint.clean_uri}")
    return [found.experiment_id]


def _whole_id(client: Client, start: str) -> str:
    """Return the run id that begins with `start`. `NotFoundError`: there is none, or several."""
    from fitscribe.errors import NotFoundError

    if _nothing_there(client):
        raise NotFoundError(f"no runs at {client.endpoint.clean_uri} yet")
    if len(start) >= WHOLE_ID or not start.isalnum():
        return start
    found = [
        run.info.run_id
        for run in client.search_runs(_experiment_ids(client, None), f"attributes.run_id LIKE '{start}%'", 3, 5)
    ]
    if len(found) != 1:
        which = f"several runs begin with {start!r}: {', '.join(found)}" if found else f"no run begins with {start!r}"
        raise NotFoundError(f"{which} (at {client.endpoint.clean_uri})")
    return found[0]


def _nothing_there(client: Client) -> bool:
    """Whether this is a folder that no run was recorded in; looking must not make it."""
    folder = client.endpoint.directory
    return folder is not None and not folder.exists()


def _client(uri: str | None) -> Client:
    from fitscribe.client import Client

    return Client(uri)


def _console() -> Console:
    from rich.console import Console

    return Console()


def _readable(value: Any) -> Any:
    """Return a value as JSON knows it: NaN and infinities as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _readable(one) for key, one in value.items()}
    return [_readable(one) for one in value] if isinstance(value, list) else value
