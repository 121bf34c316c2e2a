"""Logged models of an endpoint under the names of MLflow's client: read, searched, made, finished, tagged, deleted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fitscribe.administration import ABSENT, Administration
from fitscribe.entities import FileInfo, LoggedModel, LoggedModelStatus
from fitscribe.errors import MissingFile, MisuseError
from fitscribe.reading import answers
from fitscribe.reading.downloads import sent_to

__all__ = ["LoggedModels"]

AT_ONCE = 100  # params in a request
FINISHED = (LoggedModelStatus.READY, LoggedModelStatus.FAILED)


class LoggedModels(Administration):
    """Models that have a record of their own; a server before MLflow 3 has none, and `ServerError` says so."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Make a model whose files come later; it is PENDING until `finalize_logged_model`.

        An answer that got lost may leave another one behind, without files.
        """
        body = {
            "experiment_id": str(experiment_id),
            "name": name,
            "source_run_id": None if source_run_id is None else self._settled(source_run_id)[0],
            "tags": _pairs(tags) or None,
            "params": _pairs(params)[:AT_ONCE] or None,
            "model_type": model_type,
        }
        made = answers.logged_model(self.endpoint.ask("POST", "logged-models", body).get("model"))
        if len(params or {}) <= AT_ONCE:
            return made
        self.log_model_params(made.model_id, dict(list((params or {}).items())[AT_ONCE:]))
        return self.get_logged_model(made.model_id)

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Give a model params, each once."""
        pairs = _pairs(params)
        for start in range(0, len(pairs), AT_ONCE):
            self._of_model("POST", model_id, "/params", {"params": pairs[start : start + AT_ONCE]})

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        """Say that all of a model is there ("READY"), or that it will not be ("FAILED")."""
        wanted = {each.name: each for each in FINISHED} | {each.value: each for each in FINISHED}
        if str(status) not in wanted:
            raise MisuseError(f"a model is finished as READY or FAILED, not as {status!r}")
        answer = self._of_model("PATCH", model_id, "", {"status": f"LOGGED_MODEL_{wanted[str(status)].value}"})
        return answers.logged_model(answer.get("model"))

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a model, over older values."""
        self._of_model("PATCH", model_id, "/tags", {"tags": _pairs(tags)})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Take a tag of a model away. `NotFoundError`: it has no such tag."""
        self._of_model("DELETE", model_id, f"/tags/{quote(key, safe='')}", {}, f"tag {key!r} of model", ABSENT)

    def delete_logged_model(self, model_id: str) -> None:
        """Delete a model; its files stay where they are. `NotFoundError`: there is none with this id."""
        self._of_model("DELETE", model_id, "", {}, done=ABSENT)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[FileInfo]:
        """Return the files and folders at a path of a model, by name; empty when it is a file or is not there."""
        return self._model_artifacts(self.get_logged_model(model_id)).files(path or "")

    def download_logged_model_artifacts(
        self, model_id: str, path: str = "", dst_path: str | os.PathLike[str] | None = None
    ) -> str:
        """Bring a file or folder of a model, or all of it, to this machine, as `download_artifacts` does for a run."""
        return str(self._model_artifacts(self.get_logged_model(model_id)).download(path, dst_path))

    def log_model_artifact(self, model_id: str, local_path: str | os.PathLike[str]) -> None:
        """Send a file to the top of a model's folder, now. `MissingFile`: it is not there."""
        file = Path(local_path)
        if not file.is_file():
            raise MissingFile(f"there is no file {str(file)!r} to log")
        self._sent(model_id, {file.name: file})

    def log_model_artifacts(self, model_id: str, local_dir: str | os.PathLike[str]) -> None:
        """Send all files in a folder and below it to a model's folder, now. `MissingFile`: it is not there."""
        folder = Path(local_dir)
        if not folder.is_dir():
            raise MissingFile(f"there is no folder {str(folder)!r} to log")
        files = (file for file in sorted(folder.rglob("*")) if file.is_file())
        self._sent(model_id, {file.relative_to(folder).as_posix(): file for file in files})

    def _sent(self, model_id: str, files: Mapping[str, Path]) -> None:
        model = self.get_logged_model(model_id)
        for path, file in files.items():
            sent_to(self.endpoint, model.artifact_location, f"model {model.model_id}", path, file)

    def _of_model(
        self, method: str, model_id: str, tail: str, body: Mapping[str, Any], what: str = "model", done: str = ""
    ) -> dict[str, Any]:
        theirs, deadline = self._settled(model_id)
        path, sent = f"logged-models/{quote(theirs, safe='')}{tail}", {"model_id": theirs, **body}
        return self.endpoint.ask(method, path, sent, what=f"{what} {model_id}", done=done, deadline=deadline)


def _pairs(values: Mapping[str, Any] | Sequence[Any] | None) -> list[dict[str, str]]:
    """Return tags or params in the protocol's form, from a dict or from MLflow's objects."""
    if isinstance(values, Mapping):
        return [{"key": str(key), "value": str(value)} for key, value in values.items()]
    return [{"key": str(each.key), "value": str(each.value)} for each in values or ()]
