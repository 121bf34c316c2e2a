"""`fitscribe models predict`: predictions for a file, without a server."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from fitscribe.cli.models.options import endpoint_option, here_only, model_option, said_here, trust_option

__all__ = ["predict_command"]

KINDS = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


@click.command("predict")
@model_option
@click.option("-i", "--input-path", metavar="FILE", help="JSON as a server takes it, CSV, or parquet; else from stdin.")
@click.option("-o", "--output-path", metavar="FILE", help="Else to stdout; a table, if the name ends with .csv.")
@click.option("-t", "--content-type", type=click.Choice(list(KINDS)), help="Of the input; else as its name says.")
@trust_option
@here_only
@endpoint_option
def predict_command(
    model_uri: str,
    input_path: str | None,
    output_path: str | None,
    content_type: str | None,
    trust: bool | str | None,
    uri: str | None,
) -> None:
    """Predict on the data of a file and write {"predictions": …}, as `mlflow models predict` does."""
    from fitscribe import config, locating
    from fitscribe.scoring.predicting import loaded, predicted

    if uri is not None:
        config.configure(tracking_uri=uri)
    body = _read(input_path)
    kind = content_type or Path(input_path or "").suffix.lstrip(".").lower()
    with said_here(), locating.located(model_uri) as folder:
        answer = predicted(loaded(folder, trust), body, KINDS.get(kind, KINDS["json"]))
    _write(output_path, answer)


def _read(path: str | None) -> bytes:
    from fitscribe.errors import MissingFile

    if path is None or path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise MissingFile(f"the input cannot be read: {error}") from None


def _write(path: str | None, answer: bytes) -> None:
    from fitscribe.errors import MisuseError

    if path is None or path == "-":
        click.echo(answer)
        return
    content = _table(answer) if path.lower().endswith(".csv") else answer
    draft = Path(f"{path}.{os.getpid()}.part")
    try:
        draft.write_bytes(content)  # half an answer never lies under the name that was asked for
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise MisuseError(f"the predictions cannot be written: {error}") from None


def _table(answer: bytes) -> bytes:
    """Return an answer as CSV: its columns, or the one column `predictions`."""
    import pandas

    found = json.loads(answer)
    rows = found["predictions"] if isinstance(found, dict) and "predictions" in found else found
    named = isinstance(rows, dict) or (isinstance(rows, list) and rows and isinstance(rows[0], dict))
    wide = isinstance(rows, list) and rows and isinstance(rows[0], list)
    frame = pandas.DataFrame(rows if named or wide else {"predictions": rows if isinstance(rows, list) else [rows]})
    text: str = frame.to_csv(index=False)
    return text.encode()
