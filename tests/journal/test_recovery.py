"""What a process left when it died is delivered from its files, any number of times with the same result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from fitscribe.cli import main
from fitscribe.client import Client
from fitscribe.dialects import dialect_for
from fitscribe.errors import TransportError
from fitscribe.journal.recovery import deliver, left_behind
from fitscribe.records import Params, now
from fitscribe.testing.endpoint import Endpoint

DIES = """
    import os
    import fitscribe
    with fitscribe.start_run(run_name="whole"):
        fitscribe.log_param("a", 1)
    fitscribe.start_run(run_name="cut off", tags={"t": "1"})
    for step in range(500):
        fitscribe.log_metric("loss", 1 / (step + 1), step=step)
    fitscribe.log_text("words", "notes.txt")
    os._exit(9)  # as by kill -9: nothing is cleaned up, on every system
"""


def dies(folder: Path, uri: str) -> None:
    """Let a process log, and be killed at once, before its thread could send much."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(DIES)], cwd=folder, env=environment, check=False)
    assert done.returncode == 9


def state(client: Client) -> dict[str, object]:
    runs = client.search_runs(["0"])
    return {
        run.info.run_name: (
            run.info.status,
            run.data.params,
            len(client.get_metric_history(run.info.run_id, "loss")),
            run.data.tags.get("fitscribe.end"),
            [file.path for file in client.list_artifacts(run.info.run_id)],
        )
        for run in runs
    }


WHOLE = {
    "whole": ("FINISHED", {"a": "1"}, 0, None, []),
    "cut off": ("FAILED", {}, 500, "process died", ["notes.txt"]),
}


def test_what_was_logged_before_kill_9_arrives(tmp_path, journal):
    dies(tmp_path, str(tmp_path / "store"))
    for left in left_behind(journal):
        deliver(left, dialect_for)
    assert state(Client(tmp_path / "store")) == WHOLE
    assert left_behind(journal) == []
    assert [each.name for each in journal.rglob("*") if each.is_file()] == [".gitignore"]


def test_it_can_be_sent_to_another_endpoint_and_twice(tmp_path, journal):
    dies(tmp_path, "http://127.0.0.1:1")
    copies = tmp_path / "copy"
    shutil.copytree(journal, copies)
    [left] = left_behind(journal)
    assert left.pending > 500
    with pytest.raises(TransportError, match=r"127\.0\.0\.1:1: connection refused"):
        deliver(left, dialect_for, patience=0.2)
    runner = CliRunner()
    said = runner.invoke(main, ["sync", "--dry-run"])
    assert f"{left.pending} record(s)" in said.output
    for folder in (tmp_path / ".fitscribe", tmp_path):
        if folder == tmp_path:
            copies.rename(tmp_path / "journal")
        said = runner.invoke(main, ["sync", str(folder), "--to", str(tmp_path / "other")])
        assert "1 of 1 journal(s) sent" in said.output, said.output
        assert state(Client(tmp_path / "other")) == WHOLE
    assert "nothing is left to be sent" in runner.invoke(main, ["sync"]).output


def test_a_torn_tail_is_skipped_and_the_rest_arrives(tmp_path, journal):
    dies(tmp_path, "http://127.0.0.1:1")
    [left] = left_behind(journal)
    with left.paths[0].open("r+b") as file:
        file.truncate(left.paths[0].stat().st_size - 3)
    deliver(left_behind(journal)[0], dialect_for, to=(tmp_path / "other").as_uri())
    found = state(Client(tmp_path / "other"))
    assert found["cut off"] == ("FAILED", {}, 500, "process died", [])


def test_a_living_process_is_left_alone(shipper, journal):
    shipper.emit(Params("run", now(), {"a": "1"}))
    assert left_behind(journal) == []


def test_a_run_that_the_endpoint_has_already_is_not_made_again(tmp_path, journal):
    with Endpoint() as endpoint:
        dies(tmp_path, endpoint.uri)
        before = len(endpoint.ledger.runs)
        for left in left_behind(journal):
            deliver(left, dialect_for)
        assert before <= len(endpoint.ledger.runs) == 2
        statuses = sorted(run.status for run in endpoint.ledger.runs.values())
        assert statuses == ["FAILED", "FINISHED"]
