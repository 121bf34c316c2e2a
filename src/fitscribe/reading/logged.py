"""Logged models of an endpoint: found, and their files shown among those of the run that made them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fitscribe.entities import FileInfo, LoggedModel, LoggedModelStatus, PagedList, Run
from fitscribe.errors import FilterError, NotFoundError, ServerError
from fitscribe.reading import answers
from fitscribe.reading.downloads import ArtifactFolder, LocalFolder, folder_at
from fitscribe.reading.endpoint import Deadline, Endpoint
from fitscribe.reading.places import into, made, parts

__all__ = ["by_id", "folder_of", "found", "with_models"]

PAGE = 1000


def by_id(endpoint: Endpoint, model_id: str, deadline: Deadline | None = None) -> LoggedModel:
    """Return a model. `NotFoundError`: there is none with this id."""
    path = f"logged-models/{quote(model_id, safe='')}"
    answer = endpoint.ask("GET", path, {}, what=f"model {model_id}", deadline=deadline)
    return answers.logged_model(answer.get("model"))


def found(endpoint: Endpoint, body: dict[str, Any], deadline: Deadline | None = None) -> PagedList[LoggedModel]:
    """Return one page of a search. `FilterError`: the endpoint cannot read it."""
    return answers.page(
        endpoint.ask("POST", "logged-models/search", body, deadline=deadline), "models", answers.logged_model
    )


def folder_of(endpoint: Endpoint, model: LoggedModel) -> ArtifactFolder:
    """Return the folder with a model's files. `NotBuiltYet`: it lies where this version cannot read."""
    return folder_at(endpoint, model.artifact_location, f"model {model.model_id}")


def with_models(endpoint: Endpoint, run: Run, own: ArtifactFolder) -> ArtifactFolder:
    """Return the artifact folder of a run together with those of the models that it made, each under its name."""
    made_by = [each.model_id for each in run.outputs.model_outputs]
    return _RunFolder(own, lambda: _folders(endpoint, run, made_by)) if made_by else own


def _folders(endpoint: Endpoint, run: Run, made_by: Sequence[str]) -> dict[str, ArtifactFolder]:
    """Return the folder of each model by its name; of several of one name the newest that is ready counts."""
    body = {
        "experiment_ids": [run.info.experiment_id],
        "filter": f"source_run_id = '{run.info.run_id}'",
        "max_results": PAGE,
    }
    try:
        models: list[LoggedModel] = list(found(endpoint, body))
    except (FilterError, ServerError):  # not every server finds them so
        models = []
    known = {each.model_id: each for each in models}
    for each in made_by[:PAGE] if not models else ():
        try:
            known[each] = by_id(endpoint, each)
        except NotFoundError:
            continue  # deleted since
    ordered = sorted(known.values(), key=lambda each: (each.status == LoggedModelStatus.READY, each.creation_timestamp))
    return {each.name: folder_of(endpoint, each) for each in ordered}


class _RunFolder:
    """A run's own artifacts, and the files of its models below their names."""

    def __init__(self, own: ArtifactFolder, find: Callable[[], dict[str, ArtifactFolder]]) -> None:
        """Ask for the models when they are first wanted."""
        self.own, self._find = own, find
        self._found: dict[str, ArtifactFolder] | None = None

    @property
    def models(self) -> dict[str, ArtifactFolder]:
        """The folder of each model by its name."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def files(self, path: str) -> list[FileInfo]:
        """Return what lies at a path, by name."""
        names = parts(path)
        shown = {each.path: each for each in self.own.files(path)}
        if not names:
            shown.update({name: FileInfo(name, True) for name in self.models if name not in shown})
        elif model := self.models.get(names[0]):
            for each in model.files("/".join(names[1:])):
                shown[f"{names[0]}/{each.path}"] = FileInfo(f"{names[0]}/{each.path}", each.is_dir, each.file_size)
        return sorted(shown.values(), key=lambda each: each.path)

    def download(self, path: str, target: str | os.PathLike[str] | None) -> Path:
        """Bring a file or a folder into the folder `target`, or a new one; return where it lies now."""
        names = parts(path)
        if not names:
            return self._all(target)
        model = self.models.get(names[0])
        if model is None:
            return self.own.download(path, target)
        if len(names) > 1 and not self.own.files(path):
            try:
                return model.download("/".join(names[1:]), target)
            except NotFoundError:
                return self.own.download(path, target)
        if self.own.files(path):
            target = into(target)
            self.own.download(path, target)
        return _whole(model, names, target)

    def _all(self, target: str | os.PathLike[str] | None) -> Path:
        place = into(target)
        self.own.download("", made(place))
        for name, model in self.models.items():
            model.download("", made(place / name))
        return place


def _whole(model: ArtifactFolder, names: Sequence[str], target: str | os.PathLike[str] | None) -> Path:
    """Bring a model, or a folder of it; the stored folder itself where it is here and no target is named."""
    if target is None and isinstance(model, LocalFolder):
        return model.download("/".join(names[1:]), None)
    if len(names) > 1:
        return model.download("/".join(names[1:]), target)
    return model.download("", made(into(target) / names[0]))
