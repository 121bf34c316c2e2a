"""Stored: what a real embedded store has, read in the words of `Recorder`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fitscribe.client import Client
from fitscribe.entities import Run

__all__ = ["Stored"]

PARENT = "mlflow.parentRunId"
MANY = 1000


class Stored:
    """The runs of an embedded store, or of a server; each look waits until what was said before is there."""

    def __init__(self, uri: str | None = None) -> None:
        """Read the tracking URI `uri`, or where runs go now."""
        self.uri = uri

    @property
    def client(self) -> Client:
        """A client of the store, for what else there is to ask; all that was said has arrived."""
        client = Client(self.uri)
        assert client.flush(60), "what runs said did not reach the store in a minute"
        return client

    def runs(self) -> list[Run]:
        """Return all runs in the order they began."""
        client = self.client
        experiments = [each.experiment_id for each in client.search_experiments()]
        found = client.search_runs(experiments, max_results=MANY) if experiments else []
        return sorted(found, key=lambda run: run.info.start_time or 0)

    def run(self, name: str = "") -> Run:
        """Return the one run there is (of that name); `AssertionError` when there is none or more than one."""
        found = [run for run in self.runs() if not name or run.info.run_name == name]
        names = [each.info.run_name for each in self.runs()]
        assert len(found) == 1, f"one run {name!r} was expected; there are {names}"
        return found[0]

    def children(self, parent: Run) -> list[Run]:
        """Return the runs below a run."""
        return [run for run in self.runs() if run.data.tags.get(PARENT) == parent.info.run_id]

    def params(self, run: Run) -> dict[str, str]:
        """Return all params of a run."""
        return dict(run.data.params)

    def metrics(self, run: Run) -> dict[str, float]:
        """Return the last value of each metric of a run."""
        return dict(run.data.metrics)

    def history(self, run: Run, key: str) -> list[tuple[int, float]]:
        """Return the steps and values of a metric."""
        return [(each.step, each.value) for each in self.client.get_metric_history(run.info.run_id, key)]

    def tags(self, run: Run) -> dict[str, str]:
        """Return the tags of a run."""
        return dict(run.data.tags)

    def status(self, run: Run) -> str:
        """Return how a run ended, or RUNNING."""
        return str(run.info.status)

    def artifacts(self, run: Run) -> dict[str, bytes]:
        """Return the files of a run by their path."""
        client, where = self.client, run.info.run_id
        with tempfile.TemporaryDirectory(prefix="fitscribe-stored-") as folder:
            found = {}
            for path in _files(client, where, None):
                found[path] = Path(client.download_artifacts(where, path, folder)).read_bytes()
            return found


def _files(client: Client, run_id: str, folder: str | None) -> list[str]:
    """Return the paths of all files below a folder of a run's artifacts."""
    listed = client.list_artifacts(run_id, folder)
    below = [path for each in listed if each.is_dir for path in _files(client, run_id, each.path)]
    return [*(each.path for each in listed if not each.is_dir), *below]
