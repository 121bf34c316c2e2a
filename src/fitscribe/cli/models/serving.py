"""`fitscribe models serve`: a model behind HTTP, in MLflow's scoring protocol."""

from __future__ import annotations

import click

from fitscribe.cli.models.options import MLFLOW_HELP, endpoint_option, here_only, model_option, said_here, trust_option

__all__ = ["serve_command"]

MEGABYTE = 1024 * 1024


@click.command("serve", context_settings=MLFLOW_HELP)
@model_option
@click.option("-p", "--port", default=5000, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("-h", "--host", default="127.0.0.1", show_default=True, help="0.0.0.0: for everybody, unasked.")
@click.option(
    "-w", "--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes, one model each."
)
@click.option("-t", "--timeout", default=60.0, show_default=True, type=click.FloatRange(0.001), help="Seconds.")
@click.option("--threads", type=click.IntRange(1), help="That predict at a time, in each process.")
@click.option("--limit", default=256, show_default=True, type=click.IntRange(1), help="MB that a request may have.")
@trust_option
@here_only
@endpoint_option
def serve_command(
    model_uri: str,
    port: int,
    host: str,
    workers: int,
    timeout: float,
    threads: int | None,
    limit: int,
    trust: bool | str | None,
    uri: str | None,
) -> None:
    """Answer requests as `mlflow models serve` does: POST /invocations, GET /ping, /health and /version."""
    from fitscribe import config, locating
    from fitscribe.cli import version
    from fitscribe.scoring.service import Service, serve

    if uri is not None:
        config.configure(tracking_uri=uri)
    with said_here(), locating.located(model_uri) as folder:
        service = Service(str(folder), version(), trust, limit * MEGABYTE, timeout, threads)
        serve(service, host, port, workers=workers, started=lambda at: _said(model_uri, at))


def _said(model_uri: str, address: str) -> None:
    click.echo(f"{model_uri} at {address}/invocations (Ctrl-C ends it)")
