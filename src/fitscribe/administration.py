"""The administration of an endpoint's experiments and runs: made, renamed, deleted, brought back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitscribe.entities.enumerations import RunStatus
from fitscribe.errors import MisuseError, ServerError
from fitscribe.reading.reader import Reader

__all__ = ["Administration"]

ABSENT, EXISTS = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"


class Administration(Reader):
    """Reads of one endpoint, and its administration: these writes are done when the call returns.

    Like reads they raise `TransportError`, `NotFoundError` and `ServerError`.
    """

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Mapping[str, object] | None = None
    ) -> str:
        """Make an experiment and return its id. `ServerError`: the name is taken, also by a deleted one."""
        if not isinstance(name, str) or not name.strip():
            raise MisuseError(f"an experiment needs a name of text, not {name!r}")
        body = {
            "name": name,
            "artifact_location": artifact_location or None,
            "tags": [{"key": str(key), "value": str(value)} for key, value in (tags or {}).items()] or None,
        }
        answer = self.endpoint.ask("POST", "experiments/create", body, done=EXISTS)
        if "experiment_id" in answer:
            return str(answer["experiment_id"])
        made = self.get_experiment_by_name(name)  # the first attempt had worked, its answer was lost
        if made is None:
            raise ServerError(200, "", f"{self.endpoint.clean_uri} made the experiment {name!r} but does not show it")
        return made.experiment_id

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted. `NotFoundError`: there is no active one with this id."""
        self._change("experiments/delete", {"experiment_id": str(experiment_id)}, f"experiment {experiment_id}", ABSENT)

    def restore_experiment(self, experiment_id: str) -> None:
        """Bring a deleted experiment and its runs back. `NotFoundError`: there is no deleted one with this id."""
        self._change(
            "experiments/restore", {"experiment_id": str(experiment_id)}, f"experiment {experiment_id}", ABSENT
        )

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name. `ServerError`: the name is taken."""
        body = {"experiment_id": str(experiment_id), "new_name": new_name}
        self._change("experiments/update", body, f"experiment {experiment_id}")

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment, over an older value."""
        body = {"experiment_id": str(experiment_id), "key": key, "value": str(value)}
        self._change("experiments/set-experiment-tag", body, f"experiment {experiment_id}")

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Take a tag of an experiment away. `NotFoundError`: it has no such tag."""
        body = {"experiment_id": str(experiment_id), "key": key}
        self._change("experiments/delete-experiment-tag", body, f"tag {key!r} of experiment {experiment_id}", ABSENT)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted; `restore_run` brings it back."""
        self._change("runs/delete", {"run_id": self._settled(run_id)[0]}, f"run {run_id}")

    def restore_run(self, run_id: str) -> None:
        """Bring a deleted run back."""
        self._change("runs/restore", {"run_id": self._settled(run_id)[0]}, f"run {run_id}")

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag of a run away. `NotFoundError`: it has no such tag."""
        body = {"run_id": self._settled(run_id)[0], "key": key}
        self._change("runs/delete-tag", body, f"tag {key!r} of run {run_id}", ABSENT)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Set a run's status (as text, such as "FAILED"), its name, or both; its end time stays as it is.

        `MisuseError`: there is no such status.
        """
        if status is not None:
            RunStatus.from_string(status)  # servers answer 200 to a status they do not know
        if status is None and name is None:
            return
        info = self.get_run(run_id).info  # servers take an end time that is not sent for one that is to go
        body = {"run_id": info.run_id, "status": status or info.status, "end_time": info.end_time, "run_name": name}
        self._change("runs/update", body, f"run {run_id}")

    def _change(self, path: str, body: dict[str, Any], what: str, done: str = "") -> None:
        self.endpoint.ask("POST", path, body, what=what, done=done)
